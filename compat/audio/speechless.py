"""Classification of audio that cannot contain speech: silence, and noise of constant loudness."""

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
_STEADY = 10.0 ** (6 / 10)  # ratio of the loudest frames to the quietest tenth; at least 20 dB in speech
_CLICK = 2  # frames: too short for a word
_MOST = round(300 / _FRAME)  # frames examined, at most
_RATE = 16_000
_LENGTH = round(_RATE * _FRAME)  # samples


class TimeSpan(NamedTuple):
    """A part of an audio file, in seconds, of one channel or of all (None)."""

    start: float
    end: float
    channel: int | None = None


def kind(sound: bytes, rate: int) -> Kind:
    """Return the kind of mono s16le audio; empty audio is silent. Pure."""
    return _kind(_powers(_samples(sound), max(1, round(rate * _FRAME))))


def of_file(path: Path) -> Kind:
    """Return the kind of an audio file; a long file counts as lively. For the worker process. Raises BadAudio if it
    cannot be decoded. The channels are not mixed, because channels in opposite phase cancel each other."""
    powers: list[float] = []
    for _, samples, count in _frames(path):
        powers += _powers(samples, _LENGTH * count)
        if len(powers) > _MOST:
            return "lively"
    return _kind(powers)


def of_spans(path: Path, spans: Sequence[TimeSpan]) -> list[Kind]:
    """Return the kind of each part of an audio file; a part that is long or beyond the end counts as lively. For the
    worker process. Raises BadAudio if the file cannot be decoded."""
    powers: list[list[float]] = [[] for _ in spans]
    waiting = deque(sorted(range(len(spans)), key=lambda number: spans[number].start))
    for start, samples, count in _frames(path):
        while waiting and spans[waiting[0]].end <= start:
            waiting.popleft()
        if not waiting:
            break
        for number in waiting:
            span, own = spans[number], powers[number]
            if span.start >= start + len(samples) / count / _RATE:
                break
            first, end = (max(0, math.ceil((time - start) / _FRAME)) * _LENGTH * count for time in span[:2])
            if len(own) <= _MOST:
                own += _of_channel(samples[first:end], count, span.channel)
    return [_kind(own) if 0 < len(own) <= _MOST else "lively" for own in powers]


def _frames(path: Path) -> Iterator[tuple[float, array.array[int], int]]:
    """Yield whole frames of all channels, interleaved, with their start in seconds and the number of channels."""
    from compat.audio.decode import channels  # loads FFmpeg, which other users of this module do not need

    held, held_channels, total = b"", 1, 0
    for portion, count in channels(path, _RATE):
        total += len(portion) // (2 * count)
        held = held + portion if count == held_channels else portion
        held_channels, length = count, 2 * _LENGTH * count
        whole = len(held) // length * length
        if whole:
            yield (total - len(held) // (2 * count)) / _RATE, _samples(held[:whole]), count
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
    """Return the mean square of each whole frame of `length` samples."""
    frames = (samples[at : at + length] for at in range(0, len(samples) - length + 1, length))
    return [sum(map(mul, frame, frame)) / length for frame in frames]
