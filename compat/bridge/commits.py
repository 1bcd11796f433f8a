"""Commits while the service finds the turns: one that only silence was left for is answered by an empty item."""

from __future__ import annotations

from compat.bridge.hearing import Hearing
from compat.bridge.ledger import Ledger
from compat.bridge.limits import TICKS, Limits
from compat.bridge.line import Line, State
from compat.bridge.tape import Barrier, Tape


class Commits:
    def __init__(self, ledger: Ledger, line: Line, hearing: Hearing, tape: Tape, limits: Limits) -> None:
        self._ledger = ledger
        self._line = line
        self._hearing = hearing
        self._tape = tape
        self._shortest = round(limits.shortest_commit * TICKS)
        self._patience = limits.vad_answer

    @property
    def deadline(self) -> float | None:
        """When the commit that the service is answering, and has shown nothing for, is answered without it."""
        return None if self._waiting is None else self._line.quiet_since + self._patience

    def tick(self, now: float) -> None:
        barrier = self._waiting
        if barrier is not None and now >= self._line.quiet_since + self._patience:
            self._answer(barrier)

    def passed(self, barrier: Barrier) -> None:
        """Everything before the barrier is answered."""
        if self._unanswered(barrier):
            self._answer(barrier)

    @property
    def _waiting(self) -> Barrier | None:
        if self._line.state is not State.FINISHING or self._hearing.speaking or not self._tape.future:
            return None
        head = self._tape.future[0]
        return head if isinstance(head, Barrier) and self._unanswered(head) else None

    def _unanswered(self, barrier: Barrier) -> bool:
        """Whether it is a commit, and at least as much sound as a commit needs is left behind the last item."""
        return barrier.why == "commit" and barrier.tick - self._ledger.reached >= self._shortest

    def _answer(self, barrier: Barrier) -> None:
        item = self._ledger.new(barrier.tick)
        item.end, item.closed = barrier.tick, True
        self._ledger.commit(item)
        self._ledger.settle()
