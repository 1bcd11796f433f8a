"""Media files as what the engines hear: 16 kHz mono signed 16-bit little-endian PCM, in blocks, never whole.

BadSound is the one error: the file is not media, has no sound track, or stops being decodable half way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
from av.container import InputContainer

RATE = 16_000  # samples a second
BYTES_PER_MS = RATE * 2 // 1000
_BLOCK = RATE * 2  # bytes: one second


class BadSound(Exception):
    """The file cannot be heard; the message says why, in FFmpeg's words where it has any."""


def read(path: Path, *, channel: int | None = None) -> Iterator[bytes]:
    """The first sound track in blocks of one second, the last one shorter. `channel` (from 0): that one alone.

    Raises BadSound, also after the first blocks: what came before it was sound.
    """
    with _opened(path) as container:
        yield from _blocks(_decoded(container, channel))


def duration(path: Path) -> float | None:
    """Seconds, from the times of the packets and not from what the header claims; None when it is not audio."""
    try:
        with _opened(path) as container:
            return _length(container)
    except BadSound:
        return None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise BadSound("there is no sound track")
            yield container
    except (av.FFmpegError, ValueError) as exc:
        raise BadSound(str(exc)) from exc


def _decoded(container: InputContainer, channel: int | None) -> Iterator[bytes]:
    channels = container.streams.audio[0].channels
    if channel is not None and not 0 <= channel < channels:
        raise BadSound(f"there is no channel {channel}")
    resampler = av.AudioResampler(format="s16", layout="mono" if channel is None else None, rate=RATE)
    for frame in container.decode(container.streams.audio[0]):
        frame.pts = None  # a gap in the file's clock is not silence to be filled in
        for out in resampler.resample(frame):
            yield _samples(out, channel)
    for out in resampler.resample(None):
        yield _samples(out, channel)


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


def _length(container: InputContainer) -> float:
    stream = container.streams.audio[0]
    first: int | None = None
    last = 0
    for packet in container.demux(stream):
        if packet.pts is not None:
            first = packet.pts if first is None else first
            last = max(last, packet.pts + (packet.duration or 0))
    if first is None or stream.time_base is None:
        raise BadSound("there is no sound in it")
    return float((last - max(first, 0)) * stream.time_base)
