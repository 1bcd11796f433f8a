"""Media files as what the engines hear: 16 kHz mono signed 16-bit little-endian PCM, in blocks, never whole.

One track is heard, which is FFmpeg's default; what is damaged is left out; what a recorder left out is silence.
BadSound is the one error: the file is not media, has no sound track, or nothing of that can be decoded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

RATE = 16_000  # samples a second
BYTES_PER_MS = RATE * 2 // 1000
_BLOCK = RATE * 2  # bytes: one second
_HOPELESS = 20  # times that a demuxer may fail
_TIMED = ("matroska", "mov,", "flv")  # containers in which a hole is meant
_HOLE = (0.1, 3600.0)  # seconds


class BadSound(Exception):
    """The file cannot be heard; the message says why, in FFmpeg's words where it has any."""


def read(path: Path, *, channel: int | None = None) -> Iterator[bytes]:
    """The default sound track in blocks of one second, the last one shorter. `channel` (from 0): that one alone.

    Raises BadSound.
    """
    with opened(path) as (container, stream):
        yield from _blocks(_resampled(container, stream, channel))


def duration(path: Path) -> float | None:
    """Seconds, from the packets and not from what the header claims; None when it is not audio."""
    try:
        with opened(path) as (container, stream):
            heard = sum(hole + length for _, hole, length in _timed(container, stream))
    except BadSound:
        return None
    return round(heard, 6) or None  # billed by the second begun


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}, metadata_errors="ignore") as container:
            stream = container.streams.best("audio")
            if not isinstance(stream, AudioStream) or stream.codec_context is None:
                raise BadSound("there is no sound track")
            yield container, stream
    except (av.FFmpegError, ValueError) as exc:
        raise BadSound(str(exc)) from exc


def _resampled(container: InputContainer, stream: AudioStream, channel: int | None) -> Iterator[bytes]:
    if channel is not None and not 0 <= channel < stream.channels:
        raise BadSound(f"there is no channel {channel}")
    resampler, kind = None, None
    for frame, hole in _frames(container, stream):
        if resampler is None or (frame.format.name, frame.layout.name, frame.sample_rate) != kind:
            if resampler is not None:
                yield from (_samples(out, channel) for out in resampler.resample(None))
            resampler = av.AudioResampler(format="s16", layout="mono" if channel is None else None, rate=RATE)
            kind = frame.format.name, frame.layout.name, frame.sample_rate
        yield bytes(2 * round(hole * RATE))
        frame.pts = None
        yield from (_samples(out, channel) for out in resampler.resample(frame))
    if resampler is None:
        raise BadSound("nothing of it can be decoded")
    yield from (_samples(out, channel) for out in resampler.resample(None))


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[tuple[AudioFrame, float]]:
    """What can be decoded, and the seconds left out before it."""
    paused = 0.0
    for packet, hole, length in _timed(container, stream):
        hole, paused = hole + paused, 0.0
        try:
            for frame in packet.decode():
                yield frame, hole
                hole = 0.0
        except av.FFmpegError:
            # AMR's frames of comfort noise, which FFmpeg does not decode (RFC 4867 §4.3.2)
            paused = hole + length if stream.codec_context.name.startswith("amr") else 0.0


def _timed(container: InputContainer, stream: AudioStream) -> Iterator[tuple[Packet[AudioStream], float, float]]:
    """Packets, each with the seconds that were left out before it and those that it lasts."""
    meant, expected = container.format.name.startswith(_TIMED), None
    for packet in _packets(container, stream):
        base = float(packet.time_base or 0)
        length = 0.0 if packet.is_discard else (packet.duration or 0) * base
        begin = None if packet.pts is None else packet.pts * base
        hole = begin - expected if begin is not None and expected is not None else 0.0
        yield packet, hole if meant and _HOLE[0] < hole < _HOLE[1] else 0.0, length
        expected = begin + length if begin is not None else expected


def _packets(container: InputContainer, stream: AudioStream) -> Iterator[Packet[AudioStream]]:
    for _ in range(_HOPELESS):
        try:
            yield from container.demux(stream)
        except av.FFmpegError:
            continue
        return


def _samples(frame: av.AudioFrame, channel: int | None) -> bytes:
    width = 1 if channel is None else len(frame.layout.channels)
    packed = memoryview(frame.planes[0])[: frame.samples * 2 * width]  # the plane may be longer than its samples
    return packed.cast("h")[channel or 0 :: width].tobytes()


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= _BLOCK:
            yield bytes(held[:_BLOCK])
            del held[:_BLOCK]
    if held:
        yield bytes(held)
