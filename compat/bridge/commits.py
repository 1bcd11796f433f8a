"""Commits while the service finds the turns: one that only silence was left for is answered by an empty item."""

from __future__ import annotations

from compat.bridge.ledger import Ledger
from compat.bridge.tape import Barrier


class Commits:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._answered: Barrier | None = None
        self._before = 0

    def unanswered(self, barrier: Barrier) -> bool:
        """Whether it is a commit, and no turn was committed since, or since the barrier before."""
        if barrier.why != "commit" or barrier is self._answered:
            return False
        return self._ledger.commits == max(barrier.commits, self._before)

    def answer(self, barrier: Barrier) -> None:
        self._answered = barrier
        item = self._ledger.new(barrier.tick)
        item.end, item.closed = barrier.tick, True
        self._ledger.commit(item)
        self._ledger.settle()

    def passed(self) -> None:
        """Everything before a barrier is answered."""
        self._before = self._ledger.commits
