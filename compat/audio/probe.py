"""What a sound file is and how long it lasts, from its own bytes: its name is not used.

`header` is quick enough for the event loop and knows the containers with reliable headers; `measure` opens the
file with FFmpeg's libraries, and belongs in the worker process.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from tinytag import TinyTag, TinyTagException

from compat.audio import mp4, sniff, structure
from compat.audio.sniff import ByteSpan, Container
from compat.audio.wav import wave
from compat.errors import BadAudio
from compat.transcript import Media

_PACE = 0.15  # of it: only some MPEG frames are sampled, and their rates vary
_ROUNDING = 0.15  # seconds
_RATES = range(8000, 192_001)  # Hz
_CHANNELS = 2  # of more it is not known that the service hears them all
_ABSURD = 1e6  # seconds more than there are: a placeholder, not a promise


class Glance(io.FileIO):
    """A file that may be looked at, not read through: what a hostile header makes a parser read is bounded."""

    def __init__(self, path: Path, *, reads: int = 100, total: int = 65_536) -> None:
        super().__init__(path)
        self._reads = reads
        self._total = total

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads -= 1
        self._total -= size if size is not None and size >= 0 else self._total + 1
        if self._reads < 0 or self._total < 0:
            raise OverflowError("more to read than a header has")
        return super().read(size) or b""


def header(path: Path) -> Media | None:
    """Read the length from the file's header, in about a millisecond; None where the size or the structure of the file
    does not agree with it, or where FFmpeg has to look.

    Raises BadAudio for an empty file, and for one without a sample.
    """
    size = path.stat().st_size
    if not size:
        raise BadAudio("The file is empty.")
    with path.open("rb", buffering=4096) as file:
        container, place = sniff.sniff(file, size)
        if container is sniff.WAV:
            return _wav(path, file, place, size)
        believed = _BELIEVED.get(container) if container else None
        if container is None or believed is None or not place.usual:
            return None
        tag = _tag(path)
        duration = believed(tag, file, place) if tag else None
    if tag is None or duration is None or not (tag.samplerate and tag.channels):
        return None
    return media(path, size, container, duration=duration, rate=tag.samplerate, channels=tag.channels)


def measure(path: Path) -> Media:
    """Open the file, prove that it can be decoded, and find where its sound ends.

    Raises BadAudio, with the reason in words, for what cannot be heard.
    """
    from compat.audio.measure import measured  # FFmpeg's libraries are loaded where they are used: in the worker

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
    clean: bool = True,
) -> Media:
    """`promised` is the header's duration, 0 if it has none; kept only if clearly less is there."""
    if duration <= 0:
        raise BadAudio("The file holds no sound.")
    name, mime, suffix = container
    return Media(
        path=path,
        size=size,
        container=name,
        mime=mime,
        suffix=suffix,
        duration=round(duration, 9),  # sums of frames and counts of samples are equal
        rate=rate,
        channels=channels,
        promised=promised if max(0.1, promised / 100) < promised - duration < _ABSURD else None,
        clean=clean and rate in _RATES and channels <= _CHANNELS,
    )


def _wav(path: Path, file: BinaryIO, place: ByteSpan, size: int) -> Media | None:
    found = wave(file, place.start, place.end)
    if found is None or found.coding is None or (not found.exact and len(list(sniff.joined(file, place))) > 1):
        return None
    return media(
        path,
        size,
        sniff.WAV,
        duration=found.duration,
        rate=found.rate,
        channels=found.channels,
        promised=found.promised,
        clean=found.exact and place.usual,
    )


def _tag(path: Path) -> TinyTag | None:
    with Glance(path) as file:
        try:
            return TinyTag.get(file_obj=file, tags=False)
        except (TinyTagException, OverflowError):
            return None


def _mp3(tag: TinyTag, file: BinaryIO, place: ByteSpan) -> float | None:
    """Frames are counted in a Xing, Info or VBRI header only; without one tinytag guesses from five frames.

    Its byte count tells a file that was cut, or one with more behind it (joined files keep the first one's header); the
    frames tell whether the count is true.
    """
    file.seek(place.start)
    head, size = structure.xing(file.read(256)), place.end - place.start
    if head is None or size - head.bytes not in (0, head.own) or not tag.duration or not tag.samplerate:
        return None
    pace = structure.mpeg_pace(file, place)
    likely = pace and abs(size / pace - tag.duration) <= max(_ROUNDING, _PACE * tag.duration)
    return tag.duration - head.padding / tag.samplerate if likely else None


def _flac(tag: TinyTag, file: BinaryIO, place: ByteSpan) -> float | None:
    file.seek(place.start + 8)
    shortest, longest = struct.unpack(">HH", file.read(4).ljust(4, b"\0"))
    if shortest != longest or not shortest or not (tag.duration and tag.samplerate):
        return None
    last = (round(tag.duration * tag.samplerate) - 1) // shortest
    return tag.duration if structure.flac_runs(file, place, last) else None


def _m4a(tag: TinyTag, file: BinaryIO, place: ByteSpan) -> float | None:
    whole = mp4.fit(file, place) and mp4.paused(file, place) is False and not sniff.hollow(file, place)
    seconds = mp4.seconds(file, place) if whole else None
    return seconds if seconds is not None and abs(seconds - (tag.duration or 0)) < _ROUNDING else None


# Ogg is measured: its length stands on its last page, and tinytag reads all pages to get there.
_BELIEVED: dict[Container, Callable[[TinyTag, BinaryIO, ByteSpan], float | None]] = {
    sniff.MP3: _mp3,
    sniff.FLAC: _flac,
    sniff.M4A: _m4a,
}
