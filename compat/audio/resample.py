"""Streaming resampling of PCM with FFmpeg's resampler (swr).

All streams between the same two rates share one filter. Its output depends only on a few milliseconds of input around
each sample, so each stream feeds its own last samples again before new ones and gets the same output as from a filter
of its own. Separate filters would take 150 KB per stream and would rarely be in the processor's cache.
"""

from __future__ import annotations

from math import ceil, gcd
from typing import Final

from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.error import BlockingIOError as NothingYet
from av.filter import Graph

_AROUND: Final = 0.005  # seconds: swr uses 32 samples of the lower rate, 4 ms at 8 kHz
_S16: Final = AudioFormat("s16")
_MONO: Final = AudioLayout("mono")


class Resampler:
    """Converts mono s16le from `rate_in` to `rate_out` Hz.

    The output does not depend on how the input is split. Input that is not a whole number of samples at both rates is
    held back until the next call. `flush` returns the remaining output and ends the stream.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self._rate, self._rate_out = rate_in, rate_out
        self._step = rate_in // gcd(
            rate_in, rate_out
        )  # samples: the shortest duration that is a whole number of samples at both rates
        self._before = bytes(2 * self._step * ceil(_AROUND * rate_in / self._step))
        self._held = b""
        self._fed = self._given = 0  # samples

    def feed(self, pcm: bytes) -> bytes:
        """Return the output that is available after `pcm`."""
        if self._held:
            pcm = self._held + pcm
        whole = len(pcm) - len(pcm) % (2 * self._step)
        self._held, pcm = pcm[whole:], pcm[:whole]
        if self._rate == self._rate_out:
            return pcm
        # swr's buffers stay as large as the largest frame ever fed, so frames are limited to a second.
        return b"".join([self._filtered(pcm[at : at + 2 * self._rate]) for at in range(0, whole, 2 * self._rate)])

    def flush(self) -> bytes:
        """Return the last samples, pushed out of the filter with silence."""
        last, self._held = self._held[: len(self._held) & ~1], b""
        spoken = self._fed + len(last) // 2
        if self._rate == self._rate_out or not spoken:
            return b""
        rest = round(spoken * self._rate_out / self._rate) - self._given
        return self._filtered(last + bytes(2 * self._step - len(last) + len(self._before)))[: 2 * rest]

    def _filtered(self, pcm: bytes) -> bytes:
        """Return the output for a whole number of steps of input."""
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

    def through(self, pcm: bytes) -> bytes:
        if len(pcm) // 2 != self._frame.samples:
            self._frame = self._fresh(len(pcm) // 2)
        self._frame.planes[0].update(pcm)
        self._push(self._frame)  # the graph copies the frame, so it can be reused
        try:
            out = self._pull()  # swr outputs at most one frame per input frame
        except NothingYet:
            return b""
        assert isinstance(out, AudioFrame)  # noqa: S101 - for mypy: an audio graph
        return bytes(memoryview(out.planes[0])[: out.samples * 2])

    def _fresh(self, samples: int) -> AudioFrame:
        frame = AudioFrame(_S16, _MONO, samples)
        frame.sample_rate = self._rate
        return frame


_idle: dict[tuple[int, int], _Filter] = {}
"""Idle filters by their two rates. A filter is removed while in use, and returned unless it fails."""
