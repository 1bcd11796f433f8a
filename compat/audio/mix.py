"""Mixing decoded frames of any format down to 16-bit mono at one rate. For the worker process only."""

from __future__ import annotations

from collections.abc import Iterator

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.filter import Graph

from compat.audio.phase import Phase

# Films have speech in the centre channel. FFmpeg's own downmix drops the LFE channel and those beyond 5.1, which
# contain speech in multi-microphone recordings.
_WEIGHTS = {"FC": 1.0, "FL": 0.7, "FR": 0.7}
_OTHERS, _NAMELESS = 0.5, {"NONE"}


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
