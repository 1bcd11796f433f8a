"""Turns by hand whose end the service was told and that it has not answered, and how long it has for that."""

from __future__ import annotations

from compat.bridge.items import ItemPiece
from compat.bridge.limits import SessionLimits
from compat.bridge.turns import TurnBinder


class SentCommits:
    """`at`: when the last commit was sent."""

    def __init__(self, binder: TurnBinder, limits: SessionLimits) -> None:
        self.at = 0.0
        self._pieces: list[ItemPiece] = []
        self._commit = ""
        self._took = 0.0
        self._binder = binder
        self._limits = limits

    def add(self, piece: ItemPiece, commit: str, now: float) -> None:
        """The commit with this id was sent."""
        piece.asked = True
        self._pieces.append(piece)
        self._commit, self.at = commit, now

    def forget(self) -> None:
        """The service's session is gone."""
        self._pieces = []

    @property
    def open(self) -> bool:
        """Whether something is not answered."""
        self._pieces = [piece for piece in self._pieces if not piece.resolved]
        return bool(self._pieces)

    @property
    def unheard(self) -> bool:
        """Whether the service has not said a word about the last commit."""
        return bool(self._pieces) and self._pieces[-1] in self._binder.waiting

    def refused(self, about: str) -> ItemPiece | None:
        """The piece whose commit, of this id where the service says one, it does not take."""
        return self._pieces[-1] if self.unheard and about in ("", self._commit) else None

    def heard(self, now: float) -> None:
        """The service said something."""
        if self.unheard:
            self._took = now - self.at

    @property
    def patience(self) -> float:
        """Before a commit is asked for again. One of sound without speech may never be answered: what the service has
        not even acknowledged, in twice the time that it took for the last one, is not waited for as text is."""
        if self.unheard:
            return min(max(self._limits.acknowledged, 2 * self._took), self._limits.manual_answer)
        return self._limits.manual_answer
