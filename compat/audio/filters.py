"""FFmpeg's resampler (swr) as a filter graph, for `resample`."""

from __future__ import annotations

from typing import Final

from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.error import BlockingIOError as NothingYet
from av.filter import Graph

_S16: Final = AudioFormat("s16")
_MONO: Final = AudioLayout("mono")


class Filter:
    """A filter between two rates. `late` is its delay, in output samples."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self._rate = rate_in
        # PyAV's AudioResampler builds the same graph, but with one thread per processor.
        self._graph = Graph()
        self._graph.threads = 1
        source = self._graph.add("abuffer", sample_rate=f"{rate_in}", sample_fmt="s16", channel_layout="mono")
        target = self._graph.add("aformat", sample_rates=f"{rate_out}", sample_fmts="s16", channel_layouts="mono")
        sink = self._graph.add("abuffersink")
        self._graph.link_nodes(source, target, sink).configure()
        self._push, self._pull = source.push, sink.pull  # Graph.push and Graph.pull search for the nodes on each call
        self._frame = self._fresh(rate_in)
        self.late = rate_out - len(self.through(bytes(2 * rate_in))) // 2

    def through(self, pcm: bytes) -> memoryview:
        if len(pcm) // 2 != self._frame.samples:
            self._frame = self._fresh(len(pcm) // 2)
        self._frame.planes[0].update(pcm)
        self._push(self._frame)  # the graph copies the frame, so it can be reused
        try:
            out = self._pull()  # swr outputs at most one frame per input frame
        except NothingYet:
            return memoryview(b"")
        assert isinstance(out, AudioFrame)  # noqa: S101 - for mypy: an audio graph
        return memoryview(out.planes[0])[: out.samples * 2]

    def _fresh(self, samples: int) -> AudioFrame:
        frame = AudioFrame(_S16, _MONO, samples)
        frame.sample_rate = self._rate
        return frame
