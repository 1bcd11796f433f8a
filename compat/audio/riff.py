"""WAV's header, which lies more often than any other: recorders that stream never go back to fill in its sizes.

RIFF, RF64 and BW64 (EBU Tech 3306). A size of 0, of 0xFFFFFFFF or near 2^31 stands for "not known yet".
"""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, NamedTuple

_LINEAR = {1, 3, 6, 7}  # PCM, float, A-law, µ-law: as many bytes for every second
_EXTENSIBLE = 0xFFFE
_PLACEHOLDER = 0x7FFF0000
_CHUNKS = 64  # more than any honest file has in front of its samples


class Wave(NamedTuple):
    """`present` is the number of bytes of sound there are, `stated` what the header says, None when it does not know.

    `stale`: the header states fewer bytes than there are, and decoders that believe it lose the rest.
    """

    rate: int
    channels: int
    block: int
    present: int
    stated: int | None
    stale: bool = False

    @property
    def duration(self) -> float:
        return self.present // self.block / self.rate

    @property
    def promised(self) -> float:
        return (self.stated or 0) // self.block / self.rate


def wave(file: BinaryIO, size: int) -> Wave | None:
    """Read the header of a WAV file of `size` bytes; None where the samples do not follow a constant byte rate."""
    file.seek(12)
    form, long_size = b"", None
    for _ in range(_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return None
        name, length = struct.unpack("<4sI", head)
        if name == b"data":
            return _wave(file, form, length if long_size is None else long_size, size)
        body = file.read(min(length, 40)) if name in (b"fmt ", b"ds64") else b""
        form = body if name == b"fmt " else form
        long_size = struct.unpack_from("<Q", body, 8)[0] if name == b"ds64" and len(body) >= 16 else long_size
        file.seek(length - len(body) + length % 2, io.SEEK_CUR)
    return None


def _wave(file: BinaryIO, form: bytes, stated: int, size: int) -> Wave | None:
    if len(form) < 16:
        return None
    tag, channels, rate, _, block = struct.unpack_from("<HHIIH", form)
    if tag == _EXTENSIBLE and len(form) >= 26:
        tag = struct.unpack_from("<H", form, 24)[0]
    if tag not in _LINEAR or not (rate and channels and block):
        return None
    there = size - file.tell()
    if stated == 0 or (stated > there and stated >= _PLACEHOLDER):
        return Wave(rate, channels, block, there, None)
    if stated < there and not _chunks_follow(file, stated, there):
        return Wave(rate, channels, block, there, None, stale=True)
    return Wave(rate, channels, block, min(stated, there), stated)


def _chunks_follow(file: BinaryIO, stated: int, there: int) -> bool:
    """Whether what stands behind the samples is another chunk, or too little to be anything."""
    rest = there - stated - stated % 2
    if rest < 8:
        return True
    file.seek(stated + stated % 2, io.SEEK_CUR)
    name, length = struct.unpack("<4sI", file.read(8))
    return bool(name.isascii() and name.decode("ascii").isprintable() and length <= rest - 8)
