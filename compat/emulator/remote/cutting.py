"""Cuts audio into the pieces that another server recognises, at pauses.

A server may read no more than 30 s at once (Whisper, and vLLM for Qwen3-ASR) or write no more than 256 tokens (sglang
for Qwen3-ASR), and where it gives no times, a short piece is the best time there is. A piece loses its context, so it
is not cut shorter than `shortest` either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from compat.emulator.sound import BYTES_PER_MS

HOP_MS: Final = 20
LONGEST_MS: Final = 28_000
SHORTEST_MS: Final = 8_000
PAUSE_MS: Final = 500
_HOP: Final = HOP_MS * BYTES_PER_MS
_STRIDE: Final = 3  # samples between two that are measured
_SILENCE: Final = 64  # peak of a 16-bit sample: -54 dBFS
_QUIET: Final = 0.06  # of the loudest hop so far, below which a hop counts as a pause
_FADING: Final = 0.9995  # per hop: the loudest hop is forgotten within a minute
_MARGIN_MS: Final = 200  # of a pause that belongs to the speech next to it

Span = tuple[int, int]


class Piece(msgspec.Struct, frozen=True):
    """`spoken`: the spans that are not pauses, in milliseconds from the start of the whole audio."""

    begin_ms: int
    pcm: bytes
    spoken: tuple[Span, ...]

    @property
    def end_ms(self) -> int:
        return self.begin_ms + len(self.pcm) // BYTES_PER_MS


class Cutter:
    """Cuts 16 kHz PCM as it arrives. Pieces of silence are left out."""

    def __init__(self, *, shortest_ms: int = SHORTEST_MS) -> None:
        self._shortest = shortest_ms // HOP_MS
        self._begin_ms = 0
        self._held = bytearray()
        self._peaks: list[int] = []
        self._loud: list[bool] = []
        self._level = 0.0

    def feed(self, pcm: bytes) -> Iterator[Piece]:
        self._held += pcm
        while (len(self._peaks) + 1) * _HOP <= len(self._held):
            self._measure()
            if (end := self._cut()) is not None:
                yield from self._taken(end)

    def open(self) -> Piece | None:
        """Return what would be the last piece if the audio ended here, None for silence."""
        if max(self._peaks, default=0) <= _SILENCE:
            return None
        pcm = bytes(self._held[: len(self._peaks) * _HOP])
        return Piece(self._begin_ms, pcm, tuple(spans(self._loud, self._begin_ms)))

    def flush(self) -> Iterator[Piece]:
        """Yield the last piece."""
        if len(self._held) > len(self._peaks) * _HOP:
            self._held += bytes(_HOP - len(self._held) % _HOP)
            self._measure()
        if self._peaks:
            yield from self._taken(len(self._peaks))

    def _measure(self) -> None:
        at = len(self._peaks) * _HOP
        samples = memoryview(bytes(self._held[at : at + _HOP])).cast("h")[::_STRIDE]
        peak = max(max(samples), -min(samples))
        self._level = max(peak, self._level * _FADING)
        self._peaks.append(peak)
        self._loud.append(peak > _SILENCE and peak > self._level * _QUIET)

    def _cut(self) -> int | None:
        """Return the hop at which to cut now, or None."""
        count, pause = len(self._loud), PAUSE_MS // HOP_MS
        if count >= self._shortest and not any(self._loud[-pause:]):
            return count - pause // 2
        if count < LONGEST_MS // HOP_MS:
            return None
        # No pause: cut in the quietest 60 ms of the quietest 200 ms of the second half.
        wide = self._quietest(count // 2, count, 10)
        return self._quietest(wide, wide + 10, 3) + 1

    def _quietest(self, first: int, end: int, width: int) -> int:
        """Return where the quietest `width` hops begin, the last ones if there are several."""
        return min(range(first, end - width + 1), key=lambda at: (sum(self._peaks[at : at + width]), -at))

    def _taken(self, end: int) -> Iterator[Piece]:
        peaks, self._peaks = self._peaks[:end], self._peaks[end:]
        loud, self._loud = self._loud[:end], self._loud[end:]
        pcm = bytes(self._held[: end * _HOP])
        del self._held[: end * _HOP]
        begin_ms, self._begin_ms = self._begin_ms, self._begin_ms + end * HOP_MS
        if max(peaks) > _SILENCE:
            yield Piece(begin_ms, pcm, tuple(spans(loud, begin_ms)))


def spans(loud: list[bool], begin_ms: int) -> Iterator[Span]:
    """Yield the spans of loud hops, joined over pauses that are shorter than two margins."""
    open_at = last = None
    gap = 2 * _MARGIN_MS // HOP_MS
    for at, is_loud in enumerate([*loud, *([False] * (gap + 1))]):
        if is_loud:
            open_at, last = at if open_at is None else open_at, at
        elif open_at is not None and last is not None and at - last > gap:
            yield begin_ms + open_at * HOP_MS, begin_ms + (last + 1) * HOP_MS
            open_at = None


def pieces(sound: Iterable[bytes], *, shortest_ms: int = SHORTEST_MS) -> Iterator[Piece]:
    cutter = Cutter(shortest_ms=shortest_ms)
    for block in sound:
        yield from cutter.feed(block)
    yield from cutter.flush()
