"""Detection of a file's container and duration from its bytes; the file name is ignored.

`header` is fast enough for the event loop and supports containers with reliable headers. `measure` uses FFmpeg's
libraries and must run in the worker process.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from tinytag import TinyTag, TinyTagException

from compat.audio import joins, mp4, sniff, structure
from compat.audio.sniff import ByteSpan, Container
from compat.audio.wav import wave
from compat.errors import BadAudio
from compat.transcript import Media

_PACE = 0.15  # of the duration: only some MPEG frames are sampled, and their bit rates vary
_ROUNDING = 0.15  # seconds
_RATES = range(8000, 192_001)  # Hz
_CHANNELS = 2  # DashScope may ignore further channels
_ABSURD = 1e6  # seconds beyond the measured duration; more is a placeholder


class MemoryFile:
    """A file in memory, which is not copied."""

    def __init__(self, audio: memoryview) -> None:
        self._audio = audio
        self._at = 0

    def __enter__(self) -> MemoryFile:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, size: int = -1, /) -> bytes:
        data = bytes(self._audio[self._at : None if size < 0 else self._at + size])
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = max(0, offset + (0, self._at, len(self._audio))[whence])
        return self._at

    def tell(self) -> int:
        return self._at


class BoundedReads:
    """An open file with bounded reads, so that a hostile header cannot make a parser read the whole file. Raises
    OverflowError beyond the bounds."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._reads = 100
        self._total = 65_536  # bytes

    def read(self, size: int = -1, /) -> bytes:
        self._reads -= 1
        self._total -= size if size >= 0 else self._total + 1
        if self._reads < 0 or self._total < 0:
            raise OverflowError("read limit exceeded")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def header(path: Path, audio: memoryview | None = None) -> Media | None:
    """Describe the file at `path`, or in memory as `audio`, from its header, in about a millisecond. Returns None if
    the size or structure of the file does not agree with the header, or if only FFmpeg can tell.

    Raises BadAudio if the file is empty or has no samples.
    """
    size = len(audio) if audio else path.stat().st_size
    if not size:
        raise BadAudio("The file is empty.")
    with cast("BinaryIO", MemoryFile(audio)) if audio else path.open("rb", buffering=4096) as file:
        container, place = sniff.sniff(file, size)
        if container is sniff.WAV:
            return _wav(path, file, place, size)
        believed = _BELIEVED.get(container) if container else None
        if container is None or believed is None or not place.usual:
            return None
        tag = _tag(file)
        duration = believed(tag, file, place) if tag else None
    if tag is None or duration is None or not (tag.samplerate and tag.channels):
        return None
    return media(path, size, container, duration=duration, rate=tag.samplerate, channels=tag.channels)


def measure(path: Path) -> Media:
    """Check that the file can be decoded, and measure its duration.

    Raises BadAudio, with the reason, if it cannot be decoded.
    """
    from compat.audio.measure import measured  # loads FFmpeg's libraries, which only the worker process needs

    size = path.stat().st_size
    if not size:
        raise BadAudio("The file is empty.")
    sound = measured(path)
    return media(
        path,
        size,
        sound.container,
        duration=sound.duration,
        rate=sound.rate,
        channels=sound.channels,
        promised=sound.promised,
        lost=sound.lost,
        clean=sound.clean,
    )


def media(
    path: Path,
    size: int,
    container: Container,
    *,
    duration: float,
    rate: int,
    channels: int,
    promised: float = 0.0,
    lost: float = 0.0,
    clean: bool = True,
) -> Media:
    """Return the description of a file. `promised` is the duration stated in the header, 0 for none; it is kept only if
    what was decoded of `duration` is clearly less. Raises BadAudio if there is no audio."""
    if duration <= 0:
        raise BadAudio("The file contains no audio.")
    name, mime, suffix = container
    return Media(
        path=path,
        size=size,
        container=name,
        mime=mime,
        suffix=suffix,
        duration=round(duration, 9),  # so that a sum of frames equals a count of samples
        rate=rate,
        channels=channels,
        promised=promised if clearly_less(duration - lost, promised) else None,
        lost=lost,
        clean=clean and rate in _RATES and channels <= _CHANNELS,
    )


def clearly_less(decoded: float, promised: float) -> bool:
    """Return whether a file decodes to less than its header states, by more than rounding and codec padding. A
    placeholder states nothing."""
    return max(0.1, promised / 100) < promised - decoded < _ABSURD


def _wav(path: Path, file: BinaryIO, place: ByteSpan, size: int) -> Media | None:
    header = wave(file, place.start, place.end)
    if header is None or header.coding is None:
        return None
    left = place.end - header.data - header.present
    if not header.exact and (left > joins.NEAR or len(list(joins.joined(file, place, near=True))) > 1):
        return None
    return media(
        path,
        size,
        sniff.WAV,
        duration=header.duration,
        rate=header.rate,
        channels=header.channels,
        promised=header.promised,
        clean=header.exact and place.usual,
    )


def _tag(file: BinaryIO) -> TinyTag | None:
    file.seek(0)
    try:
        return TinyTag.get(file_obj=cast("BinaryIO", BoundedReads(file)), tags=False)
    except (TinyTagException, OverflowError):
        return None


def _mp3(tag: TinyTag, file: BinaryIO, place: ByteSpan) -> float | None:
    """Return the duration from a Xing, Info or VBRI header; without one, tinytag would guess from five frames.

    The header's byte count detects truncated and concatenated files (which keep the first header). Sampled frames
    confirm its frame count.
    """
    file.seek(place.start)
    head, size = structure.xing(file.read(256)), place.end - place.start
    if head is None or size - head.bytes not in (0, head.own) or not tag.duration or not tag.samplerate:
        return None
    pace = None if sniff.hollow(file, place.start, place.end) else structure.mpeg_pace(file, place)
    likely = pace and abs(size / pace - tag.duration) <= max(_ROUNDING, _PACE * tag.duration)
    return tag.duration - head.padding / tag.samplerate if likely else None


def _flac(tag: TinyTag, file: BinaryIO, place: ByteSpan) -> float | None:
    if sniff.hollow(file, structure.flac_begin(file, place), place.end):
        return None
    file.seek(place.start + 8)
    shortest, longest = struct.unpack(">HH", file.read(4).ljust(4, b"\0"))
    if shortest != longest or not shortest or not (tag.duration and tag.samplerate):
        return None
    last = (round(tag.duration * tag.samplerate) - 1) // shortest
    return tag.duration if structure.flac_runs(file, place, last) else None


def _m4a(tag: TinyTag, file: BinaryIO, place: ByteSpan) -> float | None:
    whole = mp4.fit(file, place) and mp4.paused(file, place) is False and not mp4.hollow(file, place)
    seconds = mp4.seconds(file, place) if whole and not mp4.encrypted(file, place) else None
    return seconds if seconds is not None and abs(seconds - (tag.duration or 0)) < _ROUNDING else None


# Ogg needs `measure`: its duration is on the last page, and tinytag reads all pages to find it.
_BELIEVED: dict[Container, Callable[[TinyTag, BinaryIO, ByteSpan], float | None]] = {
    sniff.MP3: _mp3,
    sniff.FLAC: _flac,
    sniff.M4A: _m4a,
}
