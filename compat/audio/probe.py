"""What a sound file is and how long it lasts, from its own bytes: the name it came with is never asked.

`header` is quick enough for the event loop and knows the containers whose headers can be believed; `measure` opens the
file with FFmpeg's libraries, and belongs in the worker process.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from tinytag import TinyTag, TinyTagException

from compat.audio import sniff
from compat.audio.riff import wave
from compat.audio.sniff import Container
from compat.errors import BadAudio
from compat.transcript import Media

_TAIL = 65_536
_BOXES = 32


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
    """Read the length from the file's header, in well under a millisecond; None where it must be measured.

    Raises BadAudio for an empty file, and for one whose header promises clearly more than is there.
    """
    size = path.stat().st_size
    if not size:
        raise BadAudio("The file is empty.")
    with path.open("rb", buffering=4096) as file:
        container, start = sniff.sniff(file)
        if container is sniff.WAV:
            return _wav(path, file, size)
        believed = _BELIEVED.get(container) if container else None
        if container is None or believed is None:
            return None
        tag = _tag(path)
        if (
            tag is None
            or not (tag.duration and tag.samplerate and tag.channels)
            or not believed(tag, file, start, size)
        ):
            return None
    return media(path, size, container, duration=tag.duration, rate=tag.samplerate, channels=tag.channels)


def measure(path: Path) -> Media:
    """Open the file, prove that it can be decoded, and read its length where its end is, or count its packets.

    Raises BadAudio, with the reason in words, for what cannot be heard.
    """
    from compat.audio import decode  # FFmpeg's libraries are loaded where they are used: in the worker process

    size = path.stat().st_size
    if not size:
        raise BadAudio("The file is empty.")
    with path.open("rb", buffering=4096) as file:
        container, _ = sniff.sniff(file)
    if container is None:
        raise BadAudio("The file is not audio in a known format.")
    sound = decode.measured(path)
    refuse_truncated(sound.promised, sound.duration)
    return media(path, size, container, duration=sound.duration, rate=sound.rate, channels=sound.channels)


def media(path: Path, size: int, container: Container, *, duration: float, rate: int, channels: int) -> Media:
    if duration <= 0:
        raise BadAudio("The file holds no sound.")
    name, mime, suffix = container
    return Media(
        path=path,
        size=size,
        container=name,
        mime=mime,
        suffix=suffix,
        duration=duration,
        rate=rate,
        channels=channels,
    )


def refuse_truncated(promised: float, there: float) -> None:
    """Raise BadAudio when more is missing than rounding explains: a tenth of a second, or a hundredth of the whole."""
    if promised - there > max(0.1, promised / 100):
        raise BadAudio(f"The file is truncated: its header promises {promised:.1f} s, {max(there, 0):.1f} s are there.")


def _wav(path: Path, file: BinaryIO, size: int) -> Media | None:
    found = wave(file, size)
    if found is None:
        return None
    refuse_truncated(found.promised, found.duration)
    container = sniff.WAV if found.stated is not None else sniff.WAV_STREAMED
    return media(path, size, container, duration=found.duration, rate=found.rate, channels=found.channels)


def _tag(path: Path) -> TinyTag | None:
    with Glance(path) as file:
        try:
            return TinyTag.get(file_obj=file, tags=False)
        except (TinyTagException, OverflowError):
            return None


def _mp3(tag: TinyTag, file: BinaryIO, start: int, size: int) -> bool:
    """A frame count stands in a Xing, Info or VBRI header only; without one tinytag guesses from five frames.

    Its byte count tells a file that was cut, or one with more behind it (joined files keep the first one's header).
    """
    file.seek(start)
    frame = file.read(192)
    if not any(mark in frame for mark in (b"Xing", b"Info", b"VBRI")) or not (tag.bitrate and tag.duration):
        return False
    promised = tag.bitrate * 125 * tag.duration
    refuse_truncated(tag.duration, tag.duration * (size - start) / promised)
    return size - start < promised * 1.02 + _TAIL


def _flac(tag: TinyTag, file: BinaryIO, start: int, size: int) -> bool:
    """The file is whole when its last frame is there, which carries its number (RFC 9639 §9.1)."""
    if not (tag.duration and tag.samplerate and tag.channels and tag.bitdepth):
        return False
    if size > start + _TAIL + tag.duration * tag.samplerate * tag.channels * ((tag.bitdepth + 7) // 8) * 1.1:
        return False  # files joined without thought: the first one's header counts its own samples only
    file.seek(start + 8)
    shortest, longest = struct.unpack(">HH", file.read(4))
    if shortest != longest or not shortest:
        return False
    last = (round(tag.duration * tag.samplerate) - 1) // shortest
    if last > 0x10FFFF:
        return False
    file.seek(max(0, size - _TAIL))
    number = re.escape(chr(last).encode("utf-8", "surrogatepass"))
    return re.search(rb"\xff\xf8..%s" % number, file.read(), re.DOTALL) is not None


def _m4a(_tag: TinyTag, file: BinaryIO, start: int, size: int) -> bool:
    """The boxes end where the file ends (ISO/IEC 14496-12 §4.2): what is cut off is the sound, or its index."""
    for _ in range(_BOXES):
        file.seek(start)
        head = file.read(16)
        if len(head) < 8:
            break
        length = struct.unpack_from(">I", head)[0]
        if length == 1 and len(head) == 16:
            length = struct.unpack_from(">Q", head, 8)[0]
        start += max(length, 8)
    if start > size:
        raise BadAudio("The file is truncated: a part of it is missing at its end.")
    return start == size


# Ogg is measured: its length stands on its last page, and tinytag reads all pages to get there.
_BELIEVED: dict[Container, Callable[[TinyTag, BinaryIO, int, int], bool]] = {
    sniff.MP3: _mp3,
    sniff.FLAC: _flac,
    sniff.M4A: _m4a,
}
