"""Live speech at any rate to the service's rate, frame by frame, through FFmpeg's resampler (swr): raw PCM only."""

from __future__ import annotations

from functools import partial

from av.audio.frame import AudioFrame
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as Ended
from av.filter import Graph


class Resampler:
    """Mono s16le from `rate_in` to `rate_out` Hz.

    Fed in any pieces, the output joins to the same samples as when fed whole; a sample split between two pieces is
    joined. `flush` gives what the filter still holds, and ends the stream. The filter takes 150 KB and is made late.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self._rate, self._rate_out = rate_in, rate_out
        self._swr: Graph | None = None
        self._odd = b""
        self._fed = self._given = 0  # samples

    def feed(self, pcm: bytes) -> bytes:
        if self._odd:
            pcm = self._odd + pcm
        whole = len(pcm) & ~1
        self._odd, pcm = pcm[whole:], pcm[:whole]
        if self._rate == self._rate_out or not pcm:
            return pcm
        self._swr = self._swr or _swr(self._rate, self._rate_out)
        self._fed += whole // 2
        self._swr.push(self._frame(pcm))
        out = _pulled(self._swr)
        self._given += len(out) // 2
        return out

    def flush(self) -> bytes:
        """Push the last samples out with silence: swr's own end is up to 2 ms short when it was fed little."""
        self._odd = b""
        if self._swr is None:
            return b""
        self._swr.push(self._frame(bytes(self._rate // 25 * 2)))
        self._swr.push(None)
        rest = b"".join(iter(partial(_pulled, self._swr), b""))
        return rest[: 2 * (round(self._fed * self._rate_out / self._rate) - self._given)]

    def _frame(self, pcm: bytes) -> AudioFrame:
        frame = AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
        frame.planes[0].update(pcm)
        frame.sample_rate = self._rate
        return frame


def _swr(rate_in: int, rate_out: int) -> Graph:
    """PyAV's AudioResampler makes the same graph, with as many threads of its own as there are processors."""
    graph = Graph()
    graph.threads = 1
    source = graph.add("abuffer", sample_rate=f"{rate_in}", sample_fmt="s16", channel_layout="mono")
    target = graph.add("aformat", sample_rates=f"{rate_out}", sample_fmts="s16", channel_layouts="mono")
    graph.link_nodes(source, target, graph.add("abuffersink")).configure()
    return graph


def _pulled(graph: Graph) -> bytes:
    """One frame of the output, if there is one: of each frame that it is given, swr makes one at most."""
    try:
        out = graph.pull()
    except (NothingYet, Ended):
        return b""
    assert isinstance(out, AudioFrame)  # noqa: S101 - the graph makes nothing else
    return bytes(memoryview(out.planes[0])[: out.samples * 2])
