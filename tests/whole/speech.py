"""The 44 s speech sample as a live client sends it, engines that cache its transcripts, and a word error rate."""

from __future__ import annotations

import difflib
import functools
import re
import wave
from collections.abc import Callable, Iterable, Iterator

from compat.audio.resample import Resampler
from compat.emulator import sample
from compat.emulator.engine import NO_HINTS, Engine, Hints, Hypothesis, Listener, Sentence, Word
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
)  # pauses of the sample, in seconds


def pcm(rate: int = 24_000) -> bytes:
    """Return the sample as mono s16le."""
    with wave.open(str(sample.path())) as source:
        resampler = Resampler(source.getframerate(), rate)
        sound = resampler.feed(source.readframes(source.getnframes()))
    return sound + resampler.flush()


def commits(sound: bytes, rate: int = 24_000) -> list[int]:
    """Return the byte positions at which a client commits: in the pauses, and at the end."""
    return [round(at * rate) * 2 for at in PAUSES] + [len(sound)]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def errors(text: str, reference: str) -> float:
    """Return the word error rate of `text`."""
    blocks = difflib.SequenceMatcher(None, words(reference), words(text), autojunk=False).get_opcodes()
    wrong = sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in blocks if tag != "equal")
    return wrong / len(words(reference))


class Remembering:
    """Moonshine with a cache for files, because recognition is slow, most of all with speaker diarization."""

    blocking = True

    def __init__(self) -> None:
        self._moonshine = _moonshine()
        self._cache: dict[tuple[bytes, bool], list[Sentence]] = {}

    def recognise(
        self,
        sound: Iterable[bytes],
        *,
        speakers: bool = False,
        hints: Hints = NO_HINTS,  # noqa: ARG002 - not used here
    ) -> Iterator[Sentence]:
        blocks = list(sound)
        key = (b"".join(blocks), speakers)
        if key in self._cache:
            yield from self._cache[key]
            return
        sentences = []
        for sentence in self._moonshine.recognise(blocks, speakers=speakers):
            sentences.append(sentence)
            yield sentence
        self._cache[key] = sentences

    def listen(self, hints: Hints = NO_HINTS) -> Listener:  # noqa: ARG002 - not used here
        return self._moonshine.listen()


class Steady(Remembering):
    """Moonshine with a cache for live turns too. Its results for a turn may vary, and each hypothesis costs one
    recognition. Here a turn always has the same text, with an unsettled hypothesis every 3 s."""

    def __init__(self) -> None:
        super().__init__()
        self._hypotheses: dict[bytes, Hypothesis | None] = {}

    def listen(self, hints: Hints = NO_HINTS) -> Listener:  # noqa: ARG002 - not used here
        return SteadyListener(super().listen, self._hypotheses)


@functools.cache
def _moonshine() -> Engine:
    """Return the engine; cached, so that a process loads the model once."""
    return engine("moonshine")


@functools.cache
def remembering() -> Remembering:
    return Remembering()


@functools.cache
def steady() -> Steady:
    return Steady()


class SteadyListener:
    def __init__(self, listen: Callable[[], Listener], heard: dict[bytes, Hypothesis | None]) -> None:
        self._listen = listen
        self._heard = heard
        self._listener: Listener | None = None
        self._sound = bytearray()
        self._asked = self._given = 0

    def feed(self, pcm: bytes, *, partial: bool = True) -> Hypothesis | None:  # noqa: ARG002 - hypotheses are cached
        self._sound += pcm
        belief = None
        while len(self._sound) - self._asked >= BLOCK:
            self._asked += BLOCK
            belief = self._known(b"so far", self._asked, self._give)
        return belief

    def words(self) -> tuple[Word, ...]:
        return ()

    def finish(self) -> Hypothesis:
        final = self._known(b"in the end", len(self._sound), self._end)
        assert final is not None
        return final

    def _known(self, when: bytes, size: int, ask: Callable[[Listener, int], Hypothesis | None]) -> Hypothesis | None:
        key = when + self._sound[:size]
        if key not in self._heard:
            self._listener = self._listener or self._listen()
            self._heard[key] = ask(self._listener, size)
        return self._heard[key]

    def _give(self, listener: Listener, size: int) -> Hypothesis | None:
        belief = None
        for at in range(self._given, size, BLOCK):
            belief = listener.feed(bytes(self._sound[at : min(at + BLOCK, size)]))
        self._given = size
        return belief and Hypothesis("", f"{belief.text} {belief.stash}".strip())

    def _end(self, listener: Listener, size: int) -> Hypothesis | None:
        self._give(listener, size)
        return listener.finish()
