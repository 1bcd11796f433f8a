"""What follows when the service has answered everything before a barrier."""

from __future__ import annotations

from typing import assert_never

from compat.bridge.caller import CallerSide
from compat.bridge.items import ItemEvents
from compat.bridge.link import Link
from compat.bridge.manual import VadCommits
from compat.bridge.replay import Barrier
from compat.bridge.settings import Configuration
from compat.bridge.turns import TurnBinder


class Passing:
    def __init__(
        self,
        config: Configuration,
        items: ItemEvents,
        binder: TurnBinder,
        link: Link,
        caller: CallerSide,
        vad_commits: VadCommits,
    ) -> None:
        self._config = config
        self._items = items
        self._binder = binder
        self._link = link
        self._caller = caller
        self._vad_commits = vad_commits

    def passed(self, barrier: Barrier, now: float) -> None:
        """The service has answered everything before the barrier."""
        if barrier.why == "clear":
            self._binder.drop(barrier.tick, ignoring=False)
        self._binder.finished(barrier.tick)
        self._binder.lost()
        match barrier.why:
            case "commit":
                self._vad_commits.passed(barrier)
            case "clear":
                if not barrier.announced:
                    self._items.cleared(barrier.tick)
            case "switch":
                if barrier.target is not None:
                    self._binder.configure(barrier.target)
                    self._link.switch(self._config.takeable(barrier.target).setup, now)
                self._caller.passed(barrier)
            case "join":
                if barrier.item is not None:
                    self._binder.join(barrier.item)
            case "end":
                pass
            case _:
                assert_never(barrier.why)
