"""Speaker diarization: clusters lines by timbre and pitch of the voice.

Each line is modelled as a Gaussian of its mel cepstra (12 coefficients, 50 a second). The two groups of lines that are
most similar are merged as long as this improves the Bayesian information criterion (Chen and Gopalakrishnan, 1998),
with a bonus for similar and a penalty for different pitch. It takes a tenth of the time of the recognition, and is
reliable for clear voices in turns of a second or more. A line has one speaker.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from compat.emulator.sound import RATE

Floats = NDArray[np.float64]

HOP_MS: Final = 20
_WINDOW: Final = 1024  # samples
_HOP: Final = RATE * HOP_MS // 1000
_BANDS: Final = 24
_LOWEST, _HIGHEST = 80.0, 7600.0  # Hz
_CEPSTRA: Final = 12
_QUIET: Final = 30  # percent of a line's frames, the quietest, that are ignored
_PENALTY: Final = 1.7  # of the criterion; a higher one gives fewer speakers
_FLOOR: Final = 0.5  # minimum variance of a cepstrum, for short lines
_PITCHES: Final = 70.0, 400.0  # Hz
_VOICED: Final = 0.5  # minimum autocorrelation of a voiced frame
_APART: Final = 0.25  # difference of the logarithms of two pitches that is neutral
_WEIGHT: Final = 150.0  # of the pitch relative to the criterion
_TOGETHER: Final = 100  # lines compared at a time


class _Group(msgspec.Struct):
    """Lines of one speaker: their numbers, the sums of their cepstra and of their outer products, and the sum of the
    logarithms of their pitches, weighted by voiced frames."""

    lines: list[int]
    count: int
    total: Floats
    squares: Floats
    pitch: float
    voiced: int

    def joined(self, other: _Group) -> _Group:
        return _Group(
            sorted(self.lines + other.lines),
            self.count + other.count,
            self.total + other.total,
            self.squares + other.squares,
            self.pitch + other.pitch,
            self.voiced + other.voiced,
        )

    def unlike(self, other: _Group) -> float:
        """Return the difference of the pitches, from -1 for equal ones to 3 for very different ones."""
        if not self.voiced or not other.voiced:
            return 0.0
        apart = (self.pitch / self.voiced - other.pitch / other.voiced) / _APART
        return min(apart**2 - 1, 3.0)

    def spread(self) -> float:
        """Return the number of frames times the logarithm of their covariance's determinant."""
        mean = self.total / self.count
        covariance = self.squares / self.count - np.outer(mean, mean) + np.eye(_CEPSTRA) * _FLOOR
        return float(self.count * np.linalg.slogdet(covariance)[1])


class Voices:
    """Collects audio and lines in order; keeps at most `kept_ms` of audio features for the open line."""

    def __init__(self, *, kept_ms: int = 600_000) -> None:
        self._kept = kept_ms // HOP_MS
        self._pending = b""
        self._frames: list[Floats] = []
        self._first = 0  # number of the first kept frame
        self._groups: list[_Group] = []
        self._waiting: list[_Group] = []
        self._lines = 0

    def listen_to(self, sound: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the audio through and extract its features."""
        for block in sound:
            self._pending += block
            if len(self._pending) >= _WINDOW * 2:
                samples = np.frombuffer(self._pending, dtype="<i2", count=len(self._pending) // 2) / 32768
                frames = _frames(samples)
                self._frames.append(frames)
                while sum(map(len, self._frames[1:])) >= self._kept:
                    self._first += len(self._frames.pop(0))
                self._pending = self._pending[len(frames) * _HOP * 2 :]
            yield block

    def line(self, begin_ms: int, end_ms: int) -> None:
        """Add a complete line; lines are added in order."""
        kept = np.concatenate([np.empty((0, _BANDS + 1)), *self._frames])
        begin = max(0, begin_ms // HOP_MS - self._first)
        found = kept[begin : max(begin + 1, end_ms // HOP_MS - self._first)]
        self._frames, self._first = [kept[begin:]], self._first + min(begin, len(kept))
        if len(found):
            self._waiting.append(_group(self._lines, found))
        self._lines += 1
        if len(self._waiting) >= _TOGETHER:
            self._merge_waiting()

    def speakers(self) -> list[int]:
        """Return the speaker of each line, numbered from 0 in order of appearance."""
        self._merge_waiting()
        ordered = sorted(self._groups, key=lambda group: group.lines[0])
        found = {line: number for number, group in enumerate(ordered) for line in group.lines}
        return [found.get(line, 0) for line in range(self._lines)]

    def _merge_waiting(self) -> None:
        self._groups, self._waiting = _merged(self._groups + self._waiting), []


def _group(line: int, frames: Floats) -> _Group:
    bands, pitches = frames[:, :_BANDS], frames[:, _BANDS]
    loud = bands.mean(axis=1)
    cepstra = bands[loud >= np.percentile(loud, _QUIET)] @ _cosines()
    voiced = pitches[pitches > 0]
    pitch = float(np.log(np.median(voiced))) if len(voiced) else 0.0
    return _Group([line], len(cepstra), cepstra.sum(axis=0), cepstra.T @ cepstra, pitch * len(voiced), len(voiced))


def _merged(groups: list[_Group]) -> list[_Group]:
    """Merge the best pair until no merge improves the criterion."""
    left = dict(enumerate(groups))
    spreads = {number: group.spread() for number, group in left.items()}

    def loss(one: int, other: int) -> float:
        both = left[one].joined(left[other])
        free = _CEPSTRA + _CEPSTRA * (_CEPSTRA + 1) / 2
        criterion = (both.spread() - spreads[one] - spreads[other] - _PENALTY * free * float(np.log(both.count))) / 2
        return criterion + _WEIGHT * left[one].unlike(left[other])

    losses = {(one, other): loss(one, other) for one in left for other in left if one < other}
    while losses and losses[pair := min(losses, key=losses.__getitem__)] < 0:
        one, other = pair
        left[one] = left[one].joined(left.pop(other))
        spreads[one] = left[one].spread()
        losses = {key: value for key, value in losses.items() if one not in key and other not in key}
        for third in left:
            if third != one:
                key = (min(one, third), max(one, third))
                losses[key] = loss(*key)
    return list(left.values())


def _frames(samples: Floats) -> Floats:
    """Return a row for each hop: the logarithms of the mel bands' energies, and the pitch in Hz, 0 if there is none."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    sharpened = np.diff(windows * np.hamming(_WINDOW), prepend=0.0)
    power = np.abs(np.fft.rfft(sharpened)) ** 2
    return np.column_stack([np.log(power @ _bands() + 1e-8), _pitches(windows)])


def _pitches(windows: Floats) -> Floats:
    """Return pitches by autocorrelation, corrected for the window."""
    shape = np.hanning(_WINDOW)
    longest, shortest = (round(RATE / hertz) for hertz in _PITCHES)
    alike = np.fft.irfft(np.abs(np.fft.rfft((windows - windows.mean(axis=1, keepdims=True)) * shape, 2 * _WINDOW)) ** 2)
    shape_alike = np.fft.irfft(np.abs(np.fft.rfft(shape, 2 * _WINDOW)) ** 2)
    alike = alike[:, : longest + 1] / (alike[:, :1] + 1e-9) / (shape_alike[: longest + 1] / shape_alike[0])
    period = alike[:, shortest:].argmax(axis=1) + shortest
    sure = alike[np.arange(len(period)), period] > _VOICED
    return np.where(sure, RATE / period, 0.0)


@functools.cache
def _bands() -> Floats:
    """Return triangular filters of equal width in mel: a column for each band."""
    lowest, highest = (2595 * np.log10(1 + hertz / 700) for hertz in (_LOWEST, _HIGHEST))
    edges = 700 * (10 ** (np.linspace(lowest, highest, _BANDS + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(_WINDOW, 1 / RATE)[:, None]
    rising = (hertz - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - hertz) / np.diff(edges)[1:]
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))


@functools.cache
def _cosines() -> Floats:
    """Return the discrete cosine transform without its constant term (loudness): a column for each cepstrum."""
    bands = (np.arange(_BANDS) + 0.5)[:, None]
    return np.asarray(np.cos(np.pi / _BANDS * bands * np.arange(1, _CEPSTRA + 1)))
