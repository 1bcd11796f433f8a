"""Finding the quietest point of speech, the fallback for a cut without a pause. Pure."""

from __future__ import annotations

import array
import sys
from itertools import pairwise
from operator import mul

_ENOUGH = 8000  # samples per second examined; more would block the event loop for longer
_HALF = 0.010  # seconds: 20 ms are measured in halves, so that each sample is read once


def quietest(pcm: bytes, rate: int, *, earliest: float, latest: float) -> int:
    """Find the quietest 20 ms of mono s16le between two times in seconds, and return the sample at their middle.

    The last of equally quiet places is returned. If the sound ends before these times, its end is returned.
    """
    half = max(1, round(rate * _HALF))
    first = round(earliest * rate)
    samples = array.array("h", pcm[2 * first : 2 * round(latest * rate)])
    if sys.byteorder == "big":
        samples.byteswap()
    step = max(1, rate // _ENOUGH)
    energies = [_energy(samples[at : at + half : step]) for at in range(0, len(samples) - half + 1, half)]
    if len(energies) < 2:
        return min(first, len(pcm) // 2) + len(samples)
    pairs = [(left + right, -at) for at, (left, right) in enumerate(pairwise(energies), 1)]
    return first - min(pairs)[1] * half


def _energy(samples: array.array[int]) -> int:
    return sum(map(mul, samples, samples))
