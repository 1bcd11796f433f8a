"""Mixing decoded frames of any format down to 16-bit mono at one rate. For the worker process only.

Channels in opposite phase, e.g. from a miswired cable, would cancel each other: `Phase` detects them.
"""

from __future__ import annotations

import array
from collections.abc import Iterator, Sequence
from operator import mul

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.filter import Graph

# Films have speech in the centre channel. FFmpeg's own downmix drops the LFE channel and those beyond 5.1, which
# contain speech in multi-microphone recordings.
_WEIGHTS = {"FC": 1.0, "FL": 0.7, "FR": 0.7}
_OTHERS, _NAMELESS = 0.5, {"NONE"}

_CODES = {"u8": "B", "s16": "h", "s32": "i", "s64": "q", "flt": "f", "dbl": "d"}
_CANCELLED = 0.02  # share of the channels' power left in their sum; unrelated channels keep all of it
_POINTS = 48  # samples examined per frame
_EVERY = 0.1  # seconds between checks, while there is sound
_QUIET = 0.001  # of the recent peak power: codec noise, which gives no evidence
_LOUDER = 1.5  # times the power of the current channel, before another replaces it
_FADING = 0.98  # decay of the recent peak power, per check


class Mixer:
    """Converts frames of any format to mono s16le at one rate. Rate and channels may change within a track. If channels
    cancel each other, only the loudest is used."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._kind: tuple[object, ...] = ()
        self._sum: Graph | None = None
        self._swr = AudioResampler(format="s16", layout="mono", rate=rate)
        self._phase = Phase()

    def feed(self, frame: AudioFrame) -> Iterator[bytes]:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._kind and kind != self._kind:
            yield from self.flush()
            self._swr = AudioResampler(format="s16", layout="mono", rate=self._rate)
        if kind != self._kind:
            self._sum = _sum(frame) if frame.layout.name not in ("mono", "stereo") else None
            self._phase = Phase()
        self._kind, frame.pts = kind, None
        self._phase.feed(frame)
        if self._sum is not None:
            self._sum.push(frame)
            frame = self._sum.pull()  # type: ignore[assignment]  # an audio graph yields audio frames
            frame.pts = None
        yield from s16(self._swr.resample(frame))

    def flush(self) -> Iterator[bytes]:
        return s16(self._swr.resample(None))


def _sum(frame: AudioFrame) -> Graph:
    """Return a filter that averages all channels, weighted if the file gives their positions."""
    graph, names = Graph(), [channel.name for channel in frame.layout.channels]
    weights = [1.0 if name in _NAMELESS else _WEIGHTS.get(name, _OTHERS) for name in names]
    parts = [
        graph.add(
            "abuffer",
            f"sample_rate={frame.sample_rate}:sample_fmt={frame.format.name}:channel_layout={frame.layout.name}"
            f":time_base=1/{frame.sample_rate}",
        ),
        graph.add("pan", "mono|c0<" + "+".join(f"{weight}*c{number}" for number, weight in enumerate(weights))),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*parts)
    graph.configure()
    return graph


def s16(frames: list[AudioFrame], channels: int = 1) -> Iterator[bytes]:
    """Yield the samples of packed frames, without padding."""
    for frame in frames:
        yield bytes(memoryview(frame.planes[0])[: frame.samples * 2 * channels])


class Phase:
    """Follows the frames of one track. `sounding` tells whether its channels carry sound now, `opposed` whether they
    cancel each other."""

    def __init__(self) -> None:
        self.opposed = False
        self.sounding = False
        self._unseen = 0.0
        self._loud = 0.0
        self._loudest = 0

    def feed(self, frame: AudioFrame) -> None:
        """Examine a frame. If its channels cancel each other, overwrite all of them with the loudest."""
        if frame.layout.nb_channels < 2 or frame.format.packed.name not in _CODES:
            return
        self._unseen += frame.samples / frame.sample_rate
        if self._unseen >= _EVERY or not self.sounding:
            self._unseen = 0.0
            self._examine(_channels(frame, max(1, frame.samples // _POINTS)))
        if self.opposed:
            _put_on_all(frame, self._loudest)

    def _examine(self, channels: Sequence[Sequence[float]]) -> None:
        powers = [sum(map(mul, channel, channel)) / len(channel) for channel in channels]
        self._loud = max(self._loud * _FADING, *powers)
        self.sounding = max(powers) > self._loud * _QUIET
        if self.sounding:
            mixed = list(map(sum, zip(*channels, strict=True)))
            self.opposed = sum(map(mul, mixed, mixed)) / len(mixed) < _CANCELLED * sum(powers)
            if max(powers) > _LOUDER * powers[self._loudest]:
                self._loudest = powers.index(max(powers))


def _channels(frame: AudioFrame, step: int) -> list[list[float]]:
    """Return every `step`-th sample of each channel."""
    count, middle = frame.layout.nb_channels, 128 if frame.format.packed.name == "u8" else 0
    if frame.format.is_planar:
        parts = [_samples(frame, number)[::step] for number in range(count)]
    else:
        whole = _samples(frame, 0)
        parts = [whole[number :: step * count] for number in range(count)]
    return [[sample - middle for sample in part] for part in parts]


def _samples(frame: AudioFrame, number: int) -> array.array[int]:
    """Return the samples of a plane, which may be floats."""
    samples = array.array(_CODES[frame.format.packed.name], bytes(frame.planes[number]))
    return samples[: frame.samples * (1 if frame.format.is_planar else frame.layout.nb_channels)]


def _put_on_all(frame: AudioFrame, loudest: int) -> None:
    frame.make_writable()
    count = frame.layout.nb_channels
    if frame.format.is_planar:
        for plane in frame.planes[:count]:
            plane.update(bytes(frame.planes[loudest]))
        return
    samples, plane = _samples(frame, 0), frame.planes[0]
    loud = samples[loudest::count]
    for number in range(count):
        samples[number::count] = loud
    plane.update(samples.tobytes().ljust(plane.buffer_size, b"\0"))
