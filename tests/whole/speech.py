"""The 44 s of speech as a live caller sends them, and how far two transcripts are apart."""

from __future__ import annotations

import difflib
import re
import wave
from collections.abc import Iterable, Iterator

from compat.audio.resample import Resampler
from compat.emulator import sample
from compat.emulator.engine import Hypothesis, Listener, Sentence
from compat.emulator.engines import engine

BLOCK = 3 * 32_000  # bytes of 16 kHz sound: 3 s

PAUSES = (
    4.6,
    8.29,
    13.07,
    16.97,
    20.82,
    24.2,
    28.58,
    32.5,
    36.74,
    42.2,
)  # seconds of the sample at which nobody speaks


def pcm(rate: int = 24_000) -> bytes:
    """The sample as mono 16-bit sound."""
    with wave.open(str(sample.path())) as source:
        resampler = Resampler(source.getframerate(), rate)
        sound = resampler.feed(source.readframes(source.getnframes()))
    return sound + resampler.flush()


def commits(sound: bytes, rate: int = 24_000) -> list[int]:
    """Positions in bytes at which a caller ends his turns: in the pauses, and at the end."""
    return [round(at * rate) * 2 for at in PAUSES] + [len(sound)]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def errors(said: str, meant: str) -> float:
    """The share of the words of `meant` that `said` has otherwise: a word error rate."""
    blocks = difflib.SequenceMatcher(None, words(meant), words(said), autojunk=False).get_opcodes()
    wrong = sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in blocks if tag != "equal")
    return wrong / len(words(meant))


class Coarse:
    """Moonshine with a belief every 3 s of a turn only: each costs a recognition, and there are many tests."""

    blocking = True

    def __init__(self) -> None:
        self._moonshine = engine("moonshine")

    def recognise(self, sound: Iterable[bytes], *, speakers: bool = False) -> Iterator[Sentence]:
        return self._moonshine.recognise(sound, speakers=speakers)

    def listen(self) -> Listener:
        return CoarseListener(self._moonshine.listen())


class CoarseListener:
    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._held = bytearray()

    def feed(self, pcm: bytes) -> Hypothesis | None:
        self._held += pcm
        if len(self._held) < BLOCK:
            return None
        block, self._held = bytes(self._held), bytearray()
        return self._listener.feed(block)

    def finish(self) -> Hypothesis:
        self._listener.feed(bytes(self._held))
        return self._listener.finish()
