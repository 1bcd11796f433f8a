"""Streaming resampling of PCM with FFmpeg's resampler (swr).

All streams between the same two rates share one filter. Its output depends only on a few milliseconds of input around
each sample, so each stream feeds its own last samples again before new ones and gets the same output as from a filter
of its own. Separate filters would take 150 KB per stream and would rarely be in the processor's cache.

FFmpeg's libraries are loaded by the first filter, or before that by `load`. They take 18 MiB of memory.
"""

from __future__ import annotations

import sys
from math import ceil, gcd
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from compat.audio.filters import Filter

_AROUND: Final = 0.005  # seconds: swr uses 32 samples of the lower rate, 4 ms at 8 kHz


def load() -> None:
    """Load FFmpeg's libraries, which takes tens of milliseconds. For a thread, so that the event loop goes on."""
    import compat.audio.filters  # noqa: F401


def loaded() -> bool:
    """Return whether FFmpeg's libraries are loaded, or being loaded."""
    return "compat.audio.filters" in sys.modules


def _filter(rate_in: int, rate_out: int) -> Filter:
    from compat.audio.filters import Filter

    return Filter(rate_in, rate_out)


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
        if whole <= 2 * self._rate:
            return self._filtered(pcm)
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
        swr = _idle.pop(rates, None) or _filter(*rates)
        sound = self._before + pcm
        out = swr.through(sound)
        _idle[rates] = swr
        self._before = sound[-len(self._before) :]
        self._fed += len(pcm) // 2
        due = max(self._fed * self._rate_out // self._rate - swr.late - self._given, 0)
        self._given += due
        return bytes(out[len(out) - 2 * due :])


_idle: dict[tuple[int, int], Filter] = {}
"""Idle filters by their two rates. A filter is removed while in use, and returned unless it fails."""
