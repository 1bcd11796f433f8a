"""Puts the pieces of several items in the order of the items."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Sequencer(Generic[T]):
    """Pieces of the first item that has not ended pass at once; those of later items wait for its end."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[T | None]] = {}

    @property
    def busy(self) -> bool:
        """Whether an item has not ended."""
        return bool(self._waiting)

    def begin(self, item: str) -> None:
        """The item begins after those before."""
        self._waiting.setdefault(item, [])

    def add(self, item: str, piece: T) -> list[tuple[str, T | None]]:
        """Return the pieces that can pass now, each with its item; None is the end of an item."""
        return self._put(item, piece)

    def end(self, item: str) -> list[tuple[str, T | None]]:
        """The same. An item may end before those before it."""
        return self._put(item, None)

    def give_up(self) -> list[tuple[str, T | None]]:
        """No item goes on: return what waits."""
        waiting, self._waiting = self._waiting, {}
        return [(item, piece) for item, pieces in waiting.items() for piece in pieces]

    def _put(self, item: str, piece: T | None) -> list[tuple[str, T | None]]:
        self._waiting.setdefault(item, []).append(piece)
        passed: list[tuple[str, T | None]] = []
        while self._waiting:
            first = next(iter(self._waiting))
            pieces = self._waiting[first]
            passed += [(first, each) for each in pieces]
            if not pieces or pieces[-1] is not None:
                pieces.clear()
                break
            del self._waiting[first]
        return passed
