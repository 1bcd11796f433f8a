"""Fixed answers for tables: sentences given beforehand, the same every time or in turn."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from compat.emulator.engine import Hypothesis, Sentence

T = TypeVar("T")


class Scripted:
    """Each call of `recognise` answers with the next of `turns`, the last one again and again.

    `hypotheses`: one list a turn of live speech, played block by block; the last of a list is its final one. `before`
    is called ahead of each sentence: a test that waits in it decides when the engine goes on.
    """

    blocking: Final = False

    def __init__(
        self,
        *turns: Sequence[Sentence],
        hypotheses: Sequence[Sequence[Hypothesis]] = (),
        before: Callable[[Sentence], object] | None = None,
    ) -> None:
        self._turns = _lasting(turns)
        self._hypotheses = _lasting(hypotheses)
        self._before = before

    def prepare(self) -> None:
        pass

    def recognise(self, sound: Iterable[bytes], *, speakers: bool = False) -> Iterator[Sentence]:
        """Hears all of `sound` first, so that what cannot be decoded fails here too. Speakers are the script's."""
        del speakers
        return self._play(sound, next(self._turns, ()))

    def _play(self, sound: Iterable[bytes], sentences: Sequence[Sentence]) -> Iterator[Sentence]:
        for _ in sound:
            pass
        for sentence in sentences:
            if self._before is not None:
                self._before(sentence)
            yield sentence

    def listen(self) -> ScriptedListener:
        return ScriptedListener(next(self._hypotheses, ()))


class ScriptedListener:
    """Says the next hypothesis at each block of sound, and the last one at the end."""

    def __init__(self, hypotheses: Sequence[Hypothesis]) -> None:
        self._final = hypotheses[-1] if hypotheses else Hypothesis("")
        self._partial = iter(hypotheses[:-1])

    def feed(self, pcm: bytes, *, partial: bool = True) -> Hypothesis | None:
        del pcm, partial
        return next(self._partial, None)

    def finish(self) -> Hypothesis:
        return self._final


def _lasting(turns: Sequence[Sequence[T]]) -> Iterator[Sequence[T]]:
    return itertools.chain(turns, itertools.repeat(turns[-1])) if turns else iter(())
