"""Opening hostile media with FFmpeg's libraries, and reading it as 16-bit mono: for the worker process only.

FFmpeg's demuxers of play lists open whatever the list names, other files and addresses: formats and protocols
are limited.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from compat.audio import sniff
from compat.audio.riff import wave
from compat.errors import BadAudio, DiskFull

av.logging.set_level(None)

_FORMATS = (
    "wav,w64,aiff,au,caf,mp3,aac,flac,ogg,amr,amrnb,amrwb,asf,avi,flv,mpeg,mpegts,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"
)
_FAILURES = 50  # packets in a row that cannot be decoded, before the file is given up
_SURE = {"wav", "w64", "aiff", "au", "caf", "flac", "ogg", "mov", "matroska"}  # their headers or last pages give times
_LEAST_GAP, _MOST_GAP = 0.1, 3600.0  # seconds
_MOST = 13 * 3600.0  # seconds: the service takes 12 hours, and a bomb is no longer
_NEAR = 2.0  # seconds before the stated end, where reading for the true end begins


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    """Open a file at its best sound track. Raises BadAudio when there is none."""
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS} | _wave_options(path)
    try:
        with full_disk_told(), av.open(f"file:{path}", "r", options=options, metadata_errors="ignore") as container:
            stream = container.streams.best("audio")
            if not isinstance(stream, AudioStream):
                raise BadAudio(_without_sound(container))
            if stream.codec_context is None:  # whatever its stub says
                raise BadAudio("The file's sound is in a codec that is not known here.")
            stream.codec_context.thread_count = 1
            yield container, stream
    except av.FFmpegError as exc:
        raise BadAudio("The file is not audio in a known format, or it is damaged.") from exc


@contextmanager
def full_disk_told() -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as exc:
        if exc.errno == errno.ENOSPC:
            raise DiskFull("The disk is full.") from exc
        raise


def _wave_options(path: Path) -> dict[str, str]:
    """WAV whose header states less than there is must be read to the end of the file."""
    with path.open("rb") as file:
        if sniff.sniff(file)[0] is not sniff.WAV:
            return {}
        found = wave(file, path.stat().st_size)
    return {"ignore_length": "1"} if found and found.stale else {}


def _without_sound(container: InputContainer) -> str:
    return "The file is a video without a sound track." if container.streams.video else "The file holds no sound track."


def frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Decode a sound track, stepping over what is damaged. Raises BadAudio where nothing can be decoded any more."""
    failures = 0
    for packet in container.demux(stream):
        try:
            decoded = packet.decode()
        except (av.InvalidDataError, av.EOFError) as exc:
            failures += 1
            if failures > _FAILURES:
                raise BadAudio("The file is damaged: its sound cannot be decoded.") from exc
            continue
        failures = 0 if decoded else failures
        yield from decoded


def pcm(path: Path, rate: int = 16_000) -> Iterator[bytes]:
    """Yield a file's sound as mono s16le at `rate`, all channels mixed, a few milliseconds to a second at a time.

    What a recorder left out is silence, so that times stay the container's. Raises BadAudio.
    """
    with opened(path) as (container, stream):
        heard, resampler = 0.0, Mixer(rate)
        for frame in frames(container, stream):
            gap = _gap(frame, stream, heard)
            yield from _silence(gap, rate)
            yield from resampler.feed(frame)
            heard += gap + frame.samples / frame.sample_rate
            if heard > _MOST:
                raise BadAudio("The audio is longer than 12 hours.")
        yield from resampler.flush()


class Mixer:
    """Frames of any kind to mono s16le at one rate; a track may change its rate and channels on its way."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._kind: tuple[object, ...] = ()
        self._swr = AudioResampler(format="s16", layout="mono", rate=rate)

    def feed(self, frame: AudioFrame) -> Iterator[bytes]:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._kind and kind != self._kind:
            yield from self.flush()
            self._swr = AudioResampler(format="s16", layout="mono", rate=self._rate)
        self._kind, frame.pts = kind, None
        yield from _bytes(self._swr.resample(frame))

    def flush(self) -> Iterator[bytes]:
        return _bytes(self._swr.resample(None))


def _bytes(frames: list[AudioFrame]) -> Iterator[bytes]:
    for frame in frames:
        yield bytes(memoryview(frame.planes[0])[: frame.samples * 2])


def _gap(frame: AudioFrame, stream: AudioStream, heard: float) -> float:
    """The seconds between what was heard and where a frame says it begins, 0 for what rounding or a lie explains."""
    if frame.pts is None or stream.time_base is None:
        return 0.0
    missing = float((frame.pts - max(stream.start_time or 0, 0)) * stream.time_base) - heard
    return missing if _LEAST_GAP < missing < _MOST_GAP else 0.0


def _silence(seconds: float, rate: int) -> Iterator[bytes]:
    whole = round(seconds * rate)
    return (bytes(2 * min(rate, whole - at)) for at in range(0, whole, rate))


class Sound(NamedTuple):
    """`duration` is what is there, `promised` what the header says (0 where it says nothing), both in seconds."""

    duration: float
    promised: float
    rate: int
    channels: int


def measured(path: Path) -> Sound:
    """Prove that a file's sound can be decoded, and find where it ends. Raises BadAudio."""
    with opened(path) as (container, stream):
        first = next(frames(container, stream), None)
        if first is None:
            raise BadAudio("The file's sound track is empty or cannot be decoded.")
        stated = _stated(path, container, stream)
        duration = _end(container, stream, stated) if stated else None
        if duration is None:
            duration = _counted(container, stream)
        return Sound(duration, stated, first.sample_rate, first.layout.nb_channels)


def _stated(path: Path, container: InputContainer, stream: AudioStream) -> float:
    """The length that the container's header gives, 0 where FFmpeg would have guessed it from the bit rate."""
    name = container.format.name
    if not any(sure in name.split(",") for sure in _SURE):
        return 0.0
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if len(container.streams) > 1 or container.duration is None:
        return 0.0
    with path.open("rb") as file:  # Matroska's Duration element (RFC 9559 §5.1.2.10) stands before the first cluster
        return container.duration / av.time_base if b"\x44\x89" in file.read(4096) else 0.0


def _end(container: InputContainer, stream: AudioStream, stated: float) -> float | None:
    """Seek to the last seconds and read to the end; None where nothing is found there."""
    if stream.time_base is None:
        return None
    start = max(stream.start_time or 0, 0)
    try:
        container.seek(start + int(max(stated - _NEAR, 0) / stream.time_base), stream=stream)
    except av.FFmpegError:
        return None
    ends = [_packet_end(packet) for packet in container.demux(stream) if packet.pts is not None]
    return float((max(ends) - start) * stream.time_base) if ends else None


def _packet_end(packet: Packet[AudioStream]) -> int:
    return (packet.pts or 0) + (packet.duration or 0)


def _counted(container: InputContainer, stream: AudioStream) -> float:
    """Add up the lengths of all packets, without decoding them."""
    container.seek(0)
    total = sum(packet.duration or 0 for packet in container.demux(stream))
    return float(total * (stream.time_base or 0))
