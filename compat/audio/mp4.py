"""An MP4's boxes (ISO/IEC 14496-12 §4.2): whether they fit the file, how long its one track is, and whether its sound
pauses."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from compat.audio.sniff import ByteSpan

_BOXES = 64  # of one level
_PAUSE = 0.1  # seconds that a sample lasts longer than most do
_PRIMING = 0.3  # seconds that an edit list leaves out of any AAC; more is a cut
_FRAGMENT = (b"moof", b"mdat", b"sidx", b"styp", b"mfra", b"free", b"emsg", b"prft")


def fit(file: BinaryIO, place: ByteSpan, *, fragments: int = 0) -> bool:
    """Whether the boxes end where the file ends, with one index and at most `fragments` boxes of fragments."""
    at, names = place.start, []
    for _ in range(_BOXES):
        if at >= place.end:
            break
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            break
        length, name = struct.unpack_from(">I4s", head)
        if length == 1 and len(head) == 16:
            length = struct.unpack_from(">Q", head, 8)[0]
        names.append(name)
        at += max(length, 8)
        if name == b"moof":
            return names.count(b"moov") == 1 and _fragments_fit(file, at, place.end, fragments)
    return at == place.end and names.count(b"moov") == names.count(b"ftyp") == 1


def _fragments_fit(file: BinaryIO, at: int, end: int, most: int) -> bool:
    for _ in range(most):
        if at >= end:
            break
        file.seek(at)
        head = file.read(8)
        length, name = struct.unpack(">I4s", head) if len(head) == 8 else (0, b"")
        if length < 8 or name not in _FRAGMENT:
            return False
        at += length
    return at == end


def indexed(file: BinaryIO, place: ByteSpan) -> bool:
    """Whether the index (moov) is there."""
    return any(name == b"moov" for name, _ in _inside(file, place.start, place.end))


def fragmented(file: BinaryIO, place: ByteSpan) -> bool:
    """Whether the samples may be in fragments, each with its own time."""
    moov = next((body for name, body in _inside(file, place.start, place.end) if name == b"moov"), None)
    return moov is not None and _path(file, moov, b"mvex") is not None


def seconds(file: BinaryIO, place: ByteSpan) -> float | None:
    """The length of the only track, by its table of times; None where there are several, or an edit list cuts it."""
    tracks = list(_tracks(file, place))
    if len(tracks) != 1 or not tracks[0][0] or _cut(*tracks[0]):
        return None
    length, played = tracks[0]
    return length if played is None else played


def edited(file: BinaryIO, place: ByteSpan) -> bool:
    """Whether an edit list plays less, or more, than all of a track."""
    return any(length and _cut(length, played) for length, played in _tracks(file, place))


def paused(file: BinaryIO, place: ByteSpan) -> bool | None:
    """Whether a sample of a sound track lasts longer than its sound, by the table of times; None where the times are in
    fragments, or too many."""
    moov = next((body for name, body in _inside(file, place.start, place.end) if name == b"moov"), None)
    if moov is None or _path(file, moov, b"mvex"):
        return None
    found = [_pauses(file, track) for name, track in _inside(file, *moov) if name == b"trak" and _sounds(file, track)]
    return True if True in found else None if None in found else False


def _sounds(file: BinaryIO, track: tuple[int, int]) -> bool:
    handler = _path(file, track, b"mdia", b"hdlr")
    file.seek(handler[0] + 8 if handler else 0)
    return handler is not None and file.read(4) == b"soun"


def _pauses(file: BinaryIO, track: tuple[int, int]) -> bool | None:
    media = _path(file, track, b"mdia")
    scale = media and _field(file, media, b"mdhd", 12, 20)
    times = media and _path(file, media, b"minf", b"stbl", b"stts")
    pairs = _pairs(file, times) if times else None
    if not scale or not pairs:
        return None
    usual = max(zip(pairs[::2], pairs[1::2], strict=True))[1]
    return max(pairs[1::2]) - usual > _PAUSE * scale


def _cut(length: float, played: float | None) -> bool:
    return played is not None and abs(played - length) >= _PRIMING


def _tracks(file: BinaryIO, place: ByteSpan) -> Iterator[tuple[float, float | None]]:
    """How long each track is, and how much of it its edit list plays, if it has one."""
    moov = next((body for name, body in _inside(file, place.start, place.end) if name == b"moov"), None)
    movie = _field(file, moov, b"mvhd", 12, 20) if moov else 0
    if moov is None or not movie:
        return
    for name, track in _inside(file, *moov):
        media = _path(file, track, b"mdia") if name == b"trak" else None
        scale = media and _field(file, media, b"mdhd", 12, 20)
        times = media and _path(file, media, b"minf", b"stbl", b"stts")
        edits = _path(file, track, b"edts", b"elst")
        if scale and times:
            yield _sum(file, times) / scale, None if edits is None else _played(file, edits) / movie


def _inside(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Each box between two bytes: its name, and where its content is."""
    for _ in range(_BOXES):
        if at >= end:
            return
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        length, name = struct.unpack_from(">I4s", head)
        body = at + 8
        if length == 1 and len(head) == 16:
            length, body = struct.unpack_from(">Q", head, 8)[0], at + 16
        yield name, (body, min(end, at + length) if length else end)
        at += max(length, 8) if length else end


def _path(file: BinaryIO, box: tuple[int, int], *names: bytes) -> tuple[int, int] | None:
    for wanted in names:
        found = next((body for name, body in _inside(file, *box) if name == wanted), None)
        if found is None:
            return None
        box = found
    return box


def _field(file: BinaryIO, box: tuple[int, int], name: bytes, short: int, long: int) -> int:
    """A 32-bit number of a box inside `box`, at `long` in its version 1 and at `short` otherwise; 0 if missing."""
    body = _path(file, box, name)
    if body is None:
        return 0
    file.seek(body[0])
    content = file.read(min(32, body[1] - body[0]))
    at = long if content[:1] == b"\1" else short
    return int(struct.unpack_from(">I", content, at)[0]) if len(content) >= at + 4 else 0


def _pairs(file: BinaryIO, times: tuple[int, int]) -> tuple[int, ...]:
    """Numbers of samples, each with their length in the track's scale (stts); empty for a table that is cut or long."""
    file.seek(times[0] + 4)
    content = file.read(min(4 + 8 * 1024, times[1] - times[0] - 4))
    count = struct.unpack_from(">I", content)[0] if len(content) >= 4 else 0
    return struct.unpack_from(f">{2 * count}I", content, 4) if len(content) >= 4 + 8 * count else ()


def _sum(file: BinaryIO, times: tuple[int, int]) -> int:
    """All samples' lengths in the track's scale."""
    pairs = _pairs(file, times)
    return sum(number * length for number, length in zip(pairs[::2], pairs[1::2], strict=True))


def _played(file: BinaryIO, edits: tuple[int, int]) -> int:
    """What a single edit plays, in the movie's scale (elst); 0 for other edits."""
    file.seek(edits[0])
    content = file.read(min(28, edits[1] - edits[0]))
    if len(content) < 16 or content[4:8] != b"\0\0\0\1":
        return 0
    return int(struct.unpack_from(">Q" if content[0] == 1 else ">I", content, 8)[0])
