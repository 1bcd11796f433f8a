"""Encoding of audio as FLAC or Opus, with FFmpeg's libraries. For the worker process only; see `fit`."""

from __future__ import annotations

import array
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import msgspec
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer

from compat.audio import sniff
from compat.audio.decode import channels as apart
from compat.audio.decode import layout, opened, pcm, translate_full_disk
from compat.audio.mix import Phase
from compat.audio.probe import clearly_less
from compat.audio.sizes import RATE
from compat.audio.sniff import Container
from compat.errors import BadAudio
from compat.transcript import Media

_OPUS_LEAST, _OPUS_MOST = 6_000, 64_000  # bit/s: the minimum of libopus, and more than speech needs
_OGG_SHARE = 0.93  # of the bytes for audio; the rest for page headers and the codec's overshoot
_BLOCK = 4096  # samples
_TELLING, _LOOKED_AT = 1.0, 60.0  # seconds of non-silent audio to examine, within the first minute


class Encoder:
    """Encodes interleaved s16le at `RATE` into a file, as FLAC or Opus in Ogg. `samples` (of one channel) and `size`
    (bytes) count what was written."""

    def __init__(self, output: OutputContainer, stream: AudioStream, block: int) -> None:
        self._output, self._stream = output, stream
        self._width = 2 * stream.layout.nb_channels
        self._block = self._width * block
        self._pending = bytearray()
        self.samples = 0
        self.size = 0

    def feed(self, pcm: bytes) -> None:
        self._pending += pcm
        whole = len(self._pending) - len(self._pending) % self._block
        for at in range(0, whole, self._block):
            self._encode(bytes(self._pending[at : at + self._block]))
        del self._pending[:whole]

    def flush(self) -> None:
        if self._pending:
            self._encode(bytes(self._pending))
        self._mux(None)

    def _encode(self, pcm: bytes) -> None:
        frame = AudioFrame(format="s16", layout=self._stream.layout.name, samples=len(pcm) // self._width)
        frame.planes[0].update(pcm)
        frame.sample_rate, frame.pts = RATE, self.samples
        self.samples += frame.samples
        self._mux(frame)

    def _mux(self, frame: AudioFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self.size += packet.size
            self._output.mux(packet)


@contextmanager
def encoder(target: Path, container: Container, *, bit_rate: int = 0, channels: int = 1) -> Iterator[Encoder]:
    """Open `target` for encoding as FLAC or Ogg. Raises DiskFull."""
    flac = container is sniff.FLAC
    options = {"compression_level": "3"} if flac else {"application": "voip", "compression_level": "5"}
    with translate_full_disk(), av.open(f"file:{target}", "w", format=container.name) as output:
        stream = output.add_stream(
            "flac" if flac else "libopus", rate=RATE, layout=layout(channels), format="s16", options=options
        )
        if not isinstance(stream, AudioStream):
            raise TypeError("not an audio stream")
        if bit_rate:
            stream.bit_rate = bit_rate
        stream.codec_context.open()
        block = _BLOCK if flac else RATE // 50
        into = Encoder(output, stream, block)
        yield into
        into.flush()


def written(target: Path, container: Container, samples: int, channels: int = 1) -> Media:
    """Return the description of a file written with `encoder`."""
    return Media(
        path=target,
        size=target.stat().st_size,
        container=container.name,
        mime=container.mime,
        suffix=container.suffix,
        duration=samples / RATE,
        rate=RATE,
        channels=channels,
    )


def fitted(media: Media, target: Path, *, max_bytes: int, channels: int = 1) -> Media:
    """See `fit.fit`."""
    flac = _encoded(_sound(media.path, channels), target, sniff.FLAC, max_bytes=max_bytes, channels=channels)
    if flac is not None:
        return _compared(flac, media)
    bits = int(max_bytes * 8 * _OGG_SHARE / media.duration)
    opus = None
    if bits >= _OPUS_LEAST:
        bit_rate = min(bits, _OPUS_MOST)
        sound = _sound(media.path, channels)
        opus = _encoded(sound, target, sniff.OGG, max_bytes=max_bytes, bit_rate=bit_rate, channels=channels)
    if opus is None:
        raise BadAudio(f"The audio is too long to fit into {max_bytes} bytes.")
    return _compared(opus, media)


def _compared(fitted: Media, media: Media) -> Media:
    """Return `fitted` with the duration that the original promised, if clearly less was decoded.

    The original may not have been decoded before, so encoding may be the first step that finds damage.
    """
    promised = media.promised or (media.duration if clearly_less(fitted.decoded, media.duration) else None)
    return msgspec.structs.replace(fitted, promised=promised)


def cancelling(path: Path) -> bool:
    """See `fit.cancels`."""
    phase, opposed, sounding, seconds = Phase(), 0.0, 0.0, 0.0
    with opened(path) as track:
        for frame, _ in track.frames():
            phase.feed(frame)
            length = frame.samples / frame.sample_rate
            seconds += length
            sounding += length * phase.sounding
            opposed += length * (phase.sounding and phase.opposed)
            if sounding >= _TELLING or seconds >= _LOOKED_AT:
                break
    return 2 * opposed > sounding


def _sound(path: Path, count: int) -> Generator[bytes, None, float]:
    """Yield the mix of all channels, or the first `count` channels interleaved, and return the seconds of lost audio.
    Where the file has fewer channels, the others are silent, so that no word is in two channels."""
    if count == 1:
        return (yield from pcm(path, RATE))
    parts = apart(path, RATE)
    while True:
        try:
            part, channels = next(parts)
        except StopIteration as end:
            return float(end.value)
        yield part if channels == count else _spread(part, channels, count)


def _spread(part: bytes, channels: int, count: int) -> bytes:
    samples = array.array("h", part)
    spread = array.array("h", bytes(len(part) // channels * count))
    for number in range(min(channels, count)):
        spread[number::count] = samples[number::channels]
    return spread.tobytes()


def _encoded(
    sound: Generator[bytes, None, float],
    target: Path,
    container: Container,
    *,
    max_bytes: int,
    bit_rate: int = 0,
    channels: int = 1,
) -> Media | None:
    """Encode `sound` into `target`; return None as soon as the result exceeds `max_bytes`."""
    with encoder(target, container, bit_rate=bit_rate, channels=channels) as into:
        while True:
            try:
                into.feed(next(sound))
            except StopIteration as end:
                lost = end.value
                break
            if into.size > max_bytes:
                return None
    if not into.samples:
        raise BadAudio("The file contains no audio.")
    media = msgspec.structs.replace(written(target, container, into.samples, channels), lost=lost)
    return media if media.size <= max_bytes else None
