"""A turn that the caller ends and the service hears while it is spoken: its own voice activity detection finds the
sentences, which are joined into the caller's one item.
"""

from __future__ import annotations

from compat.bridge.hearing import Hearing
from compat.bridge.items import Item
from compat.bridge.tape import Barrier, Sound, Tape


class JoinedTurn:
    def __init__(self, item: Item, tape: Tape, hearing: Hearing) -> None:
        self.item = item
        self._tape = tape
        hearing.joins.append(item)

    def add(self, sound: Sound) -> None:
        self._tape.add(sound)

    def end(self, tick: int) -> None:
        """The caller commits, at this position: the item is complete once the service has answered all before it."""
        self.item.end = tick
        self._tape.add(Barrier(why="join", tick=tick, item=self.item))
