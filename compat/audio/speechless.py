"""Whether audio may contain speech: silence and noise of constant loudness do not."""

from __future__ import annotations

import array
import sys
from operator import mul
from pathlib import Path
from typing import Literal

Kind = Literal["silent", "steady", "lively"]

_FRAME = 0.02  # seconds
_SILENT = 10.0 ** (-55 / 10) * 2**30  # mean square of a frame: 55 dB below full scale
_STEADY = 10.0 ** (6 / 10)  # the loudest frames against the quietest tenth; speech has 20 dB and more
_CLICK = 2  # frames: too few for a word
_LONGEST = 300.0  # seconds of a file that are looked at
_RATE = 16_000


def kind(sound: bytes, rate: int) -> Kind:
    """The kind of mono s16le audio; empty audio is silent. Pure."""
    return _kind(_powers(sound, max(1, round(rate * _FRAME))))


def of_file(path: Path) -> Kind:
    """Of a sound file, for the worker process; a long one counts as lively. Raises BadAudio for what cannot be
    decoded. The channels are not mixed: those in opposite phase would be silence together."""
    from compat.audio.decode import channels  # FFmpeg, which this module's other users have no need of

    powers: list[float] = []
    held, among = b"", 0
    for portion, count in channels(path, _RATE):
        held = held + portion if count == among else portion
        among, length = count, round(_RATE * _FRAME) * count
        powers += _powers(held, length)
        held = held[len(held) // (2 * length) * 2 * length :]
        if len(powers) > _LONGEST / _FRAME:
            return "lively"
    return _kind(powers)


def _kind(powers: list[float]) -> Kind:
    frames = sorted(powers)
    if not frames or frames[-1] < _SILENT:
        return "silent"
    tenth = len(frames) // 10
    return "steady" if tenth >= _CLICK and frames[-1 - _CLICK] < _STEADY * frames[tenth] else "lively"


def _powers(sound: bytes, length: int) -> list[float]:
    """The mean squares of the whole frames of `length` samples."""
    samples = array.array("h", sound[: len(sound) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    frames = (samples[at : at + length] for at in range(0, len(samples) - length + 1, length))
    return [sum(map(mul, frame, frame)) / length for frame in frames]
