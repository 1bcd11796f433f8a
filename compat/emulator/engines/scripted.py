"""Engine `scripted`: returns given sentences, whatever the audio."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from compat.emulator.engine import NO_HINTS, Hints, Hypothesis, Sentence, Word

T = TypeVar("T")


class Scripted:
    """Each call of `recognise` returns the next of `turns`; the last one repeats.

    `hypotheses`: one list for each turn of live speech, one entry for each block; the last entry is the final result.
    `before` is called before each sentence: a test that blocks in it decides when the engine continues.
    """

    blocking: Final = False

    def __init__(
        self,
        *turns: Sequence[Sentence],
        hypotheses: Sequence[Sequence[Hypothesis]] = (),
        before: Callable[[Sentence], object] | None = None,
    ) -> None:
        self._turns = _repeating_the_last(turns)
        self._hypotheses = _repeating_the_last(hypotheses)
        self._before = before

    def prepare(self) -> None:
        pass

    def recognise(
        self,
        sound: Iterable[bytes],
        *,
        speakers: bool = False,
        hints: Hints = NO_HINTS,  # noqa: ARG002 - not used here
    ) -> Iterator[Sentence]:
        """Read all of `sound`, so that undecodable audio fails, then yield the sentences. Speakers are those of the
        script."""
        del speakers
        return self._play(sound, next(self._turns, ()))

    def _play(self, sound: Iterable[bytes], sentences: Sequence[Sentence]) -> Iterator[Sentence]:
        for _ in sound:
            pass
        for sentence in sentences:
            if self._before is not None:
                self._before(sentence)
            yield sentence

    def listen(self, hints: Hints = NO_HINTS) -> ScriptedListener:  # noqa: ARG002 - not used here
        return ScriptedListener(next(self._hypotheses, ()))


class ScriptedListener:
    """Returns the next hypothesis for each block of audio, and the last one at the end."""

    def __init__(self, hypotheses: Sequence[Hypothesis]) -> None:
        self._final = hypotheses[-1] if hypotheses else Hypothesis("")
        self._partial = iter(hypotheses[:-1])

    def feed(self, pcm: bytes, *, partial: bool = True) -> Hypothesis | None:
        del pcm, partial
        return next(self._partial, None)

    def finish(self) -> Hypothesis:
        return self._final

    def words(self) -> tuple[Word, ...]:
        return ()


def _repeating_the_last(turns: Sequence[Sequence[T]]) -> Iterator[Sequence[T]]:
    return itertools.chain(turns, itertools.repeat(turns[-1])) if turns else iter(())
