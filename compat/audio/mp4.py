"""MP4 boxes (ISO/IEC 14496-12 §4.2): check that they fit the file, and find a track's duration and pauses."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from typing import BinaryIO

from compat.audio import sniff
from compat.audio.sniff import ByteSpan

_BOXES = 64  # per level
DRIFT = 2e-4  # of the time: the clocks of a recorder and its audio differ by less
_PAUSE = 0.1  # seconds by which samples are longer than most
_PRIMING = 0.3  # seconds of encoder delay that an edit list may remove; more is a cut
_COMPRESSED = (b"mp4a", b"Opus", b"fLaC", b"ac-3", b"ec-3", b"samr", b"sawb", b".mp3")
_FRAGMENT = (b"moof", b"mdat", b"sidx", b"styp", b"mfra", b"free", b"emsg", b"prft")


def fit(file: BinaryIO, place: ByteSpan, *, fragments: int = 0) -> bool:
    """Return whether the boxes end at the end of the file, with one index and at most `fragments` fragment boxes."""
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
    """Return whether the file has an index (moov)."""
    return any(name == b"moov" for name, _ in _inside(file, place.start, place.end))


def hollow(file: BinaryIO, place: ByteSpan) -> bool:
    """Return whether the file ends in zeros, or part of its encoded audio and video is zeros.

    PCM, ADPCM and ALAC of more than 16 bits are not examined, because they may have zeros in a row.
    """
    if sniff.zeros(file, max(place.start, place.end - 512), place.end):
        return True
    boxes = list(_inside(file, place.start, place.end))
    moov = next((body for name, body in boxes if name == b"moov"), None)
    tracks = [track for name, track in _inside(file, *moov) if name == b"trak"] if moov else []
    plain = any(_plain(file, track) for track in tracks)
    longest = max((body for name, body in boxes if name == b"mdat"), key=lambda body: body[1] - body[0], default=None)
    return longest is not None and not plain and sniff.hollow(file, *longest)


def encrypted(file: BinaryIO, place: ByteSpan) -> bool:
    """Return whether all audio is encrypted with Common Encryption (ISO/IEC 23001-7) or FairPlay.

    A decoder may accept parts of encrypted audio and return noise.
    """
    moov = next((body for name, body in _inside(file, place.start, place.end) if name == b"moov"), None)
    tracks = [track for name, track in _inside(file, *moov) if name == b"trak"] if moov else []
    codings = {_coding(file, track) for track in tracks} - {None}
    return bool(codings) and codings <= {b"enca", b"drms"}


def _plain(file: BinaryIO, track: tuple[int, int]) -> bool:
    coding = _coding(file, track)
    if coding != b"alac":
        return coding not in (None, *_COMPRESSED)
    samples = _path(file, track, b"mdia", b"minf", b"stbl", b"stsd") or (0, 0)
    file.seek(samples[0] + 48)  # ALACSpecificConfig, in a box in the sample description
    config = file.read(14)
    return config[:4] != b"alac" or config[13] != 16


def _coding(file: BinaryIO, track: tuple[int, int]) -> bytes | None:
    """Return the name of an audio track's codec, None for other tracks."""
    samples = _path(file, track, b"mdia", b"minf", b"stbl", b"stsd")
    if samples is None or not _is_audio(file, track):
        return None
    file.seek(samples[0] + 12)
    return file.read(4)


def fragmented(file: BinaryIO, place: ByteSpan) -> bool:
    """Return whether the samples may be in fragments, each with its own time."""
    moov = next((body for name, body in _inside(file, place.start, place.end) if name == b"moov"), None)
    return moov is not None and _path(file, moov, b"mvex") is not None


def seconds(file: BinaryIO, place: ByteSpan) -> float | None:
    """Return the duration of the only track from its time table; None if there are several or an edit list cuts it."""
    tracks = list(_tracks(file, place))
    if len(tracks) != 1 or not tracks[0][0] or _cut(*tracks[0]):
        return None
    length, played = tracks[0]
    return length if played is None else played


def edited(file: BinaryIO, place: ByteSpan) -> bool:
    """Return whether an edit list plays less or more than a whole track."""
    return any(length and _cut(length, played) for length, played in _tracks(file, place))


def paused(file: BinaryIO, place: ByteSpan) -> bool | None:
    """Return whether the time table of an audio track has pauses: samples that are longer than their audio. None if the
    times are in fragments or the table is too long."""
    moov = next((body for name, body in _inside(file, place.start, place.end) if name == b"moov"), None)
    if moov is None or _path(file, moov, b"mvex"):
        return None
    pauses = [
        _pauses(file, track) for name, track in _inside(file, *moov) if name == b"trak" and _is_audio(file, track)
    ]
    return True if True in pauses else None if None in pauses else False


def _is_audio(file: BinaryIO, track: tuple[int, int]) -> bool:
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
    counted = list(zip(pairs[::2], pairs[1::2], strict=True))
    common = max(counted)[1]
    near = [(number, length) for number, length in counted if abs(length - common) <= 1]
    usual = sum(number * length for number, length in near) / sum(number for number, _ in near)
    late = itertools.accumulate(number * (length - usual) for number, length in counted)
    total = sum(number * length for number, length in counted)
    return max(late, default=0.0) > _PAUSE * scale + DRIFT * total


def _cut(length: float, played: float | None) -> bool:
    return played is not None and abs(played - length) >= _PRIMING


def _tracks(file: BinaryIO, place: ByteSpan) -> Iterator[tuple[float, float | None]]:
    """Yield each track's duration, and the part that its edit list plays, None without one; both in seconds."""
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
            yield _sum(file, times) / scale, None if edits is None else _played_length(file, edits) / movie


def _inside(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield each box between two offsets: its name, and the start and end of its content."""
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
    """Return the start and end of the content of a nested box; None if missing."""
    for wanted in names:
        body = next((body for name, body in _inside(file, *box) if name == wanted), None)
        if body is None:
            return None
        box = body
    return box


def _field(file: BinaryIO, box: tuple[int, int], name: bytes, short: int, long: int) -> int:
    """Return a 32-bit number of a box inside `box`, at `long` in version 1 and at `short` otherwise; 0 if missing."""
    body = _path(file, box, name)
    if body is None:
        return 0
    file.seek(body[0])
    content = file.read(min(32, body[1] - body[0]))
    at = long if content[:1] == b"\1" else short
    return int(struct.unpack_from(">I", content, at)[0]) if len(content) >= at + 4 else 0


def _pairs(file: BinaryIO, times: tuple[int, int]) -> tuple[int, ...]:
    """Return counts of samples, each followed by their length in the track's time scale (stts); empty if the table is
    truncated or too long."""
    file.seek(times[0] + 4)
    content = file.read(min(4 + 8 * 1024, times[1] - times[0] - 4))
    count = struct.unpack_from(">I", content)[0] if len(content) >= 4 else 0
    return struct.unpack_from(f">{2 * count}I", content, 4) if len(content) >= 4 + 8 * count else ()


def _sum(file: BinaryIO, times: tuple[int, int]) -> int:
    """Return the total length of all samples in the track's time scale."""
    pairs = _pairs(file, times)
    return sum(number * length for number, length in zip(pairs[::2], pairs[1::2], strict=True))


def _played_length(file: BinaryIO, edits: tuple[int, int]) -> int:
    """Return the length that a single edit plays, in the movie's time scale (elst); 0 for other edit lists."""
    file.seek(edits[0])
    content = file.read(min(28, edits[1] - edits[0]))
    if len(content) < 16 or content[4:8] != b"\0\0\0\1":
        return 0
    return int(struct.unpack_from(">Q" if content[0] == 1 else ">I", content, 8)[0])
