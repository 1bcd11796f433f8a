"""Live speech at any rate to the service's rate, frame by frame, through FFmpeg's resampler (swr): raw PCM only.

One filter serves all streams between the same two rates. What it makes of a sample depends on the few milliseconds
around it alone, so a stream that tells it its own last ones again hears what a filter of its own would say; that would
take 150 KB a stream, and would have left the processor's caches whenever its turn comes.
"""

from __future__ import annotations

from math import ceil, gcd
from typing import Final

from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.error import BlockingIOError as NothingYet
from av.filter import Graph

_AROUND: Final = 0.005  # seconds: swr looks at 32 samples of the lower rate, 4 ms at 8 kHz
_S16: Final = AudioFormat("s16")
_MONO: Final = AudioLayout("mono")


class Resampler:
    """Mono s16le from `rate_in` to `rate_out` Hz.

    Fed in any pieces, the output joins to the same samples as when fed whole; what is no whole number of samples at
    both rates waits for the next piece. `flush` gives what is still held back, and ends the stream.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self._rate, self._rate_out = rate_in, rate_out
        self._step = rate_in // gcd(rate_in, rate_out)  # samples: the shortest time that is whole at both rates
        self._before = bytes(2 * self._step * ceil(_AROUND * rate_in / self._step))
        self._held = b""
        self._fed = self._given = 0  # samples

    def feed(self, pcm: bytes) -> bytes:
        if self._held:
            pcm = self._held + pcm
        whole = len(pcm) - len(pcm) % (2 * self._step)
        self._held, pcm = pcm[whole:], pcm[:whole]
        if self._rate == self._rate_out:
            return pcm
        # swr keeps buffers as large as the largest frame that it was ever given: a second at most.
        return b"".join([self._filtered(pcm[at : at + 2 * self._rate]) for at in range(0, whole, 2 * self._rate)])

    def flush(self) -> bytes:
        """Push the last samples out with silence."""
        last, self._held = self._held[: len(self._held) & ~1], b""
        spoken = self._fed + len(last) // 2
        if self._rate == self._rate_out or not spoken:
            return b""
        rest = round(spoken * self._rate_out / self._rate) - self._given
        return self._filtered(last + bytes(2 * self._step - len(last) + len(self._before)))[: 2 * rest]

    def _filtered(self, pcm: bytes) -> bytes:
        """Of a whole number of steps."""
        rates = self._rate, self._rate_out
        swr = _idle.pop(rates, None) or _Filter(*rates)
        sound = self._before + pcm
        out = swr.through(sound)
        _idle[rates] = swr
        self._before = sound[-len(self._before) :]
        self._fed += len(pcm) // 2
        due = max(self._fed * self._rate_out // self._rate - swr.late - self._given, 0)
        self._given += due
        return out[len(out) - 2 * due :]


class _Filter:
    """`late`: samples by which what comes out is behind what went in."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self._rate = rate_in
        # PyAV's AudioResampler makes the same graph, with as many threads of its own as there are processors.
        self._graph = Graph()
        self._graph.threads = 1
        source = self._graph.add("abuffer", sample_rate=f"{rate_in}", sample_fmt="s16", channel_layout="mono")
        target = self._graph.add("aformat", sample_rates=f"{rate_out}", sample_fmts="s16", channel_layouts="mono")
        sink = self._graph.add("abuffersink")
        self._graph.link_nodes(source, target, sink).configure()
        self._push, self._pull = source.push, sink.pull  # the graph's own look for both ends each time
        self._frame = self._fresh(rate_in)
        self.late = rate_out - len(self.through(bytes(2 * rate_in))) // 2

    def through(self, pcm: bytes) -> bytes:
        if len(pcm) // 2 != self._frame.samples:
            self._frame = self._fresh(len(pcm) // 2)
        self._frame.planes[0].update(pcm)
        self._push(self._frame)  # which is copied, so that it can be filled again
        try:
            out = self._pull()  # of each frame that it is given, swr makes one at most
        except NothingYet:
            return b""
        assert isinstance(out, AudioFrame)  # noqa: S101 - the graph makes nothing else
        return bytes(memoryview(out.planes[0])[: out.samples * 2])

    def _fresh(self, samples: int) -> AudioFrame:
        frame = AudioFrame(_S16, _MONO, samples)
        frame.sample_rate = self._rate
        return frame


_idle: dict[tuple[int, int], _Filter] = {}
"""By the two rates: a filter is not here while it is used, nor after it failed."""
