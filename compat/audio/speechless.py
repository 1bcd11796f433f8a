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
    samples = array.array("h", sound[: len(sound) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    length = max(1, round(rate * _FRAME))
    frames = sorted(_power(samples[at : at + length]) for at in range(0, len(samples) - length + 1, length))
    if not frames or frames[-1] < _SILENT:
        return "silent"
    tenth = len(frames) // 10
    return "steady" if tenth >= _CLICK and frames[-1 - _CLICK] < _STEADY * frames[tenth] else "lively"


def of_file(path: Path) -> Kind:
    """Of a sound file, for the worker process; a long one counts as lively. Raises BadAudio for what cannot be
    decoded."""
    from compat.audio.decode import pcm  # FFmpeg, which this module's other users have no need of

    held = bytearray()
    for portion in pcm(path, _RATE):
        held += portion
        if len(held) > 2 * _RATE * _LONGEST:
            return "lively"
    return kind(bytes(held), _RATE)


def _power(samples: array.array[int]) -> float:
    return float(sum(map(mul, samples, samples)) / len(samples))
