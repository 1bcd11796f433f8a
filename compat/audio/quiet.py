"""Loudness of sound: the quietest point, to cut speech without a pause; where speech resumes after a pause; and whether
sound may be speech. Pure."""

from __future__ import annotations

import array
import math
import sys
from itertools import pairwise
from operator import mul

_ENOUGH = 8000  # samples per second examined; more would block the event loop for longer
_HALF = 0.010  # seconds: 20 ms are measured in halves, so that each sample is read once
_ABOVE = 10.0 ** (6 / 10)  # the power of the softest speech to that of the quietest tenth: 6 dB
_SOFT = b"\x00\xff"  # the upper bytes of samples from -256 to 255, whose peak is -42 dBFS
_CLEAR = 10.0  # the power of a word to that of the softest tenth: 10 dB
_WORD = 10  # halves: what is shorter is a click


def quietest(pcm: bytes, rate: int, *, earliest: float, latest: float) -> int:
    """Find the quietest 20 ms of mono s16le between two times in seconds, and return the sample at their middle.

    The last of equally quiet places is returned. If the sound ends before these times, its end is returned.
    """
    half = max(1, round(rate * _HALF))
    first = round(earliest * rate)
    samples = _samples(pcm[2 * first : 2 * round(latest * rate)])
    energies = _energies(samples, rate, half)[: len(samples) // half]
    if len(energies) < 2:
        return min(first, len(pcm) // 2) + len(samples)
    pairs = [(left + right, -at) for at, (left, right) in enumerate(pairwise(energies), 1)]
    return first - min(pairs)[1] * half


def beginnings(pcm: bytes, rate: int, pause: float) -> list[int]:
    """Return the samples of mono s16le at which speech begins: the first one, and those after a pause of at least
    `pause` seconds. Sound of less than 100 ms between two pauses is noise."""
    half = max(1, round(rate * _HALF))
    energies = _energies(_samples(pcm), rate, half)
    quiet = _ABOVE * sorted(energies)[len(energies) // 10] if energies else 0
    found: list[int] = []
    spoken, since = _WORD, math.inf
    for number, energy in enumerate(energies):
        if energy <= quiet:
            since += 1
            continue
        if since >= pause / _HALF:
            if spoken < _WORD:
                found.pop()
            found.append(number * half)
            spoken = 0
        spoken, since = spoken + 1, 0
    return found[:-1] if spoken < _WORD and since >= pause / _HALF else found


def loud(pcm: bytes) -> bool:
    """Whether mono s16le may be speech."""
    return bool(pcm[1::2].strip(_SOFT))


def in_word(pcm: bytes, rate: int) -> bool:
    """Whether mono s16le may end within a word: its last 100 ms are loud, and clearly louder than its softest tenth."""
    half = max(1, round(rate * _HALF))
    if not loud(pcm[-2 * half * _WORD :]):
        return False
    energies = _energies(_samples(pcm), rate, half)
    return max(energies[-_WORD:]) > _CLEAR * sorted(energies)[len(energies) // 10]


def _samples(pcm: bytes) -> array.array[int]:
    samples = array.array("h", pcm[: len(pcm) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _energies(samples: array.array[int], rate: int, length: int) -> list[int]:
    """Return the energy of each frame of this length; the last may be shorter."""
    step = max(1, rate // _ENOUGH)
    return [_energy(samples[at : at + length : step]) for at in range(0, len(samples), length)]


def _energy(samples: array.array[int]) -> int:
    return sum(map(mul, samples, samples))
