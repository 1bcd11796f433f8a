"""Fragmented MP4 (ISO/IEC 14496-12 §8.8) with damaged boxes.

FFmpeg stops at the first box that does not fit. A box that covers the damage is read in its place, so that FFmpeg finds
all other fragments, at the same offsets.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from compat.audio.sniff import ByteSpan

_BOXES = 500_000  # two for every 200 ms of the longest audio
_MENDED = 200  # damaged places, at most
_BLOCK = 1 << 20  # bytes read at a time
_LARGEST = 1 << 20  # bytes of a fragment's header
_MARK = b"moof\0\0\0\x10mfhd"
_KNOWN = {
    b"moof", b"mdat", b"sidx", b"ssix", b"styp", b"mfra", b"free", b"skip", b"emsg", b"prft", b"uuid", b"ftyp", b"moov",
}  # fmt: skip
_FIELDS = {1: 8, 2: 4, 8: 4, 16: 4, 32: 4}  # bytes of a fragment's defaults, by flag (tfhd, §8.8.7)


class _Box(NamedTuple):
    start: int
    name: bytes


class Patched:
    """The part of a file between two offsets, with other bytes at some places; for `av.open`."""

    def __init__(self, path: Path, place: ByteSpan, patches: Mapping[int, bytes]) -> None:
        self._path = path
        self._place = place
        self._patches = patches
        self._at = place.start

    def read(self, size: int, /) -> bytes:
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = bytearray(file.read(max(0, min(size, self._place.end - self._at))))
        end = self._at + len(data)
        for place, patch in self._patches.items():
            first, last = max(place, self._at), min(place + len(patch), end)
            if first < last:
                data[first - self._at : last - self._at] = patch[first - place : last - place]
        self._at = end
        return bytes(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start, end = self._place.start, self._place.end
        self._at = max(start, offset + (start, self._at, end)[whence])
        return self._at - start

    def tell(self) -> int:
        return self._at - self._place.start


def mended(file: BinaryIO, place: ByteSpan) -> Mapping[int, bytes]:
    """Return headers of boxes that cover damage, by the offsets at which they replace other bytes. Empty if the file is
    intact, not fragmented, or only its end is damaged."""
    return {start: struct.pack(">I4s", end - start, name) for start, end, name in _damage(file, place)}


def _damage(file: BinaryIO, place: ByteSpan) -> Iterator[tuple[int, int, bytes]]:
    """Yield the start and end of each part that is damaged, and the name of the box to put there."""
    at, last, fragmented, mended = place.start, None, False, 0
    for _ in range(_BOXES):
        if at >= place.end or mended >= _MENDED:
            return
        file.seek(at)
        head = file.read(16)
        length, name = struct.unpack_from(">I4s", head) if len(head) >= 8 else (0, b"")
        length = struct.unpack_from(">Q", head, 8)[0] if length == 1 and len(head) == 16 else length
        fits = 8 <= length <= place.end - at
        if fits and (name in _KNOWN or not fragmented) and (name != b"moof" or _is_sound(file, at, length)):
            last, fragmented = _Box(at, name), fragmented or name == b"moof"
            at += length
            continue
        if not fragmented:
            return
        # the size of the last box may be wrong; a fragment's header is known to be sound
        start = last.start if last and last.name != b"moof" and name != b"moof" else at
        end = _next(file, start + 8, place.end)
        if end is None or end - start >= 1 << 32:
            return
        yield start, end, b"mdat" if last and (last.name == b"moof" or last == (start, b"mdat")) else b"free"
        at, last, mended = end, None, mended + 1


def _next(file: BinaryIO, at: int, end: int) -> int | None:
    """Return the offset of the next fragment."""
    while at < end:
        file.seek(at)
        found = file.read(min(_BLOCK + len(_MARK), end - at)).find(_MARK, 4)
        if found >= 0:
            return at + found - 4
        at += _BLOCK
    return None


def _is_sound(file: BinaryIO, at: int, length: int) -> bool:
    """Return whether the boxes of a fragment's header have the sizes that their flags and counts give."""
    if length > _LARGEST:
        return False
    file.seek(at + 8)
    boxes = _boxes(file.read(length - 8))
    return (
        bool(boxes) and boxes[0][0] == b"mfhd" and all(_is_sound_track(body) for name, body in boxes if name == b"traf")
    )


def _is_sound_track(body: bytes) -> bool:
    boxes = _boxes(body)
    return bool(boxes) and all(
        len(body) == _size(name, body) for name, body in boxes if name in (b"tfhd", b"trun") and len(body) >= 8
    )


def _size(name: bytes, body: bytes) -> int:
    flags = int.from_bytes(body[1:4], "big")
    if name == b"tfhd":
        return 8 + sum(size for flag, size in _FIELDS.items() if flags & flag)
    count = int.from_bytes(body[4:8], "big")  # of samples (trun, §8.8.8)
    return 8 + 4 * (flags & 5).bit_count() + 4 * (flags & 0xF00).bit_count() * count


def _boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the name and content of each box; none if they do not fill `data`."""
    boxes, at = [], 0
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if length < 8 or at + length > len(data):
            return []
        boxes.append((name, data[at + 8 : at + length]))
        at += length
    return boxes if at == len(data) else []
