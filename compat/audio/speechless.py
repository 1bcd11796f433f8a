"""Whether audio may contain speech: silence and noise of constant loudness do not."""

from __future__ import annotations

import array
import math
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from operator import mul
from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["silent", "steady", "lively"]

_FRAME = 0.02  # seconds
_SILENT = 10.0 ** (-55 / 10) * 2**30  # mean square of a frame: 55 dB below full scale
_STEADY = 10.0 ** (6 / 10)  # the loudest frames against the quietest tenth; speech has 20 dB and more
_CLICK = 2  # frames: too few for a word
_MOST = round(300 / _FRAME)  # frames that are looked at
_RATE = 16_000
_LENGTH = round(_RATE * _FRAME)  # samples


class TimeSpan(NamedTuple):
    """A part of a sound file, in seconds; of one of its channels, or of all."""

    start: float
    end: float
    channel: int | None = None


def kind(sound: bytes, rate: int) -> Kind:
    """The kind of mono s16le audio; empty audio is silent. Pure."""
    return _kind(_powers(_samples(sound), max(1, round(rate * _FRAME))))


def of_file(path: Path) -> Kind:
    """Of a sound file, for the worker process; a long one counts as lively. Raises BadAudio for what cannot be
    decoded. The channels are not mixed: those in opposite phase would be silence together."""
    powers: list[float] = []
    for _, samples, count in _frames(path):
        powers += _powers(samples, _LENGTH * count)
        if len(powers) > _MOST:
            return "lively"
    return _kind(powers)


def of_spans(path: Path, spans: Sequence[TimeSpan]) -> list[Kind]:
    """Of parts of a sound file, for the worker process; one that is long, or where there is no sound, counts as lively.
    Raises BadAudio for what cannot be decoded."""
    powers: list[list[float]] = [[] for _ in spans]
    waiting = deque(sorted(range(len(spans)), key=lambda number: spans[number].start))
    for start, samples, count in _frames(path):
        while waiting and spans[waiting[0]].end <= start:
            waiting.popleft()
        if not waiting:
            break
        for number in waiting:
            span, found = spans[number], powers[number]
            if span.start >= start + len(samples) / count / _RATE:
                break
            first, end = (max(0, math.ceil((time - start) / _FRAME)) * _LENGTH * count for time in span[:2])
            if len(found) <= _MOST:
                found += _of_channel(samples[first:end], count, span.channel)
    return [_kind(found) if 0 < len(found) <= _MOST else "lively" for found in powers]


def _frames(path: Path) -> Iterator[tuple[float, array.array[int], int]]:
    """Whole frames of all channels, interleaved, with the seconds before them and the number of channels."""
    from compat.audio.decode import channels  # FFmpeg, which this module's other users have no need of

    held, among, heard = b"", 1, 0
    for portion, count in channels(path, _RATE):
        heard += len(portion) // (2 * count)
        held = held + portion if count == among else portion
        among, length = count, 2 * _LENGTH * count
        whole = len(held) // length * length
        if whole:
            yield (heard - len(held) // (2 * count)) / _RATE, _samples(held[:whole]), count
            held = held[whole:]


def _of_channel(samples: array.array[int], count: int, channel: int | None) -> list[float]:
    if channel is None or channel >= count:
        return _powers(samples, _LENGTH * count)
    return _powers(samples[channel::count], _LENGTH)


def _kind(powers: list[float]) -> Kind:
    frames = sorted(powers)
    if not frames or frames[-1] < _SILENT:
        return "silent"
    tenth = len(frames) // 10
    return "steady" if tenth >= _CLICK and frames[-1 - _CLICK] < _STEADY * frames[tenth] else "lively"


def _samples(sound: bytes) -> array.array[int]:
    samples = array.array("h", sound[: len(sound) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _powers(samples: array.array[int], length: int) -> list[float]:
    """The mean squares of the whole frames of `length` samples."""
    frames = (samples[at : at + length] for at in range(0, len(samples) - length + 1, length))
    return [sum(map(mul, frame, frame)) / length for frame in frames]
