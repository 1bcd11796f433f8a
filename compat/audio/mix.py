"""Decoded frames of any kind as 16-bit mono at one rate: for the worker process only."""

from __future__ import annotations

from collections.abc import Iterator

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.filter import Graph

_LAID_OUT = 16  # channels that FFmpeg can mix by their places


class Mixer:
    """Frames of any kind to mono s16le at one rate; a track may change its rate and channels on its way."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._kind: tuple[object, ...] = ()
        self._sum: Graph | None = None
        self._swr = AudioResampler(format="s16", layout="mono", rate=rate)

    def feed(self, frame: AudioFrame) -> Iterator[bytes]:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._kind and kind != self._kind:
            yield from self.flush()
            self._swr = AudioResampler(format="s16", layout="mono", rate=self._rate)
        if kind != self._kind:
            self._sum = _sum(frame) if frame.layout.nb_channels > _LAID_OUT else None
        self._kind, frame.pts = kind, None
        if self._sum is not None:
            self._sum.push(frame)
            frame = self._sum.pull()  # type: ignore[assignment]  # of an audio graph
            frame.pts = None
        yield from s16(self._swr.resample(frame))

    def flush(self) -> Iterator[bytes]:
        return s16(self._swr.resample(None))


def _sum(frame: AudioFrame) -> Graph:
    """The mean of more channels than FFmpeg knows places for."""
    graph, channels = Graph(), frame.layout.nb_channels
    parts = [
        graph.add(
            "abuffer",
            f"sample_rate={frame.sample_rate}:sample_fmt={frame.format.name}:channel_layout={frame.layout.name}"
            f":time_base=1/{frame.sample_rate}",
        ),
        graph.add("pan", "mono|c0<" + "+".join(f"c{number}" for number in range(channels))),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*parts)
    graph.configure()
    return graph


def s16(frames: list[AudioFrame], channels: int = 1) -> Iterator[bytes]:
    """The samples of packed frames, without the padding behind them."""
    for frame in frames:
        yield bytes(memoryview(frame.planes[0])[: frame.samples * 2 * channels])
