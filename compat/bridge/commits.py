"""Commits while the service finds the turns: one that only silence was left for is answered by an empty item."""

from __future__ import annotations

from compat.bridge.items import ItemEvents
from compat.bridge.limits import TICKS, SessionLimits
from compat.bridge.link import Link, LinkState
from compat.bridge.replay import Barrier, ReplayBuffer
from compat.bridge.turns import TurnBinder


class VadCommits:
    def __init__(
        self, items: ItemEvents, link: Link, binder: TurnBinder, replay: ReplayBuffer, limits: SessionLimits
    ) -> None:
        self._items = items
        self._link = link
        self._binder = binder
        self._replay = replay
        self._shortest = round(limits.shortest_commit * TICKS)
        self._patience = limits.vad_answer

    @property
    def deadline(self) -> float | None:
        """When the commit that the service is answering, and has shown nothing for, is answered without it."""
        return None if self._waiting is None else self._link.quiet_since + self._patience

    def tick(self, now: float) -> None:
        barrier = self._waiting
        if barrier is not None and now >= self._link.quiet_since + self._patience:
            self._answer(barrier)

    def passed(self, barrier: Barrier) -> None:
        """Everything before the barrier is answered."""
        if self._unanswered(barrier):
            self._answer(barrier)

    @property
    def _waiting(self) -> Barrier | None:
        if self._link.state is not LinkState.FINISHING or self._binder.speaking or not self._replay.future:
            return None
        head = self._replay.future[0]
        return head if isinstance(head, Barrier) and self._unanswered(head) else None

    def _unanswered(self, barrier: Barrier) -> bool:
        """Whether it is a commit, and at least as much sound as a commit needs is left behind the last item."""
        return barrier.why == "commit" and barrier.tick - self._items.reached >= self._shortest

    def _answer(self, barrier: Barrier) -> None:
        item = self._items.new(barrier.tick)
        item.close(barrier.tick)
        self._items.commit(item)
        self._items.settle()
