"""What the caller knows as an item: one turn, of one piece or, if the caller ends it, of several."""

from __future__ import annotations

from compat.bridge.captions import Captions
from compat.bridge.limits import TICKS
from compat.errors import CompatError
from compat.text import joined


class Piece:
    """What the service recognises as one turn. In this session of the service: `fed`, some of its sound was sent;
    `asked`, its end was sent too. `held`: its text is not sent yet."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.held = False
        self.text = ""
        self.stash = ""
        self.fed = False
        self.asked = False
        self.resolved = False
        item.pieces.append(self)
        if item.whole is not None:
            item.whole.pieces.append(self)

    def resolve(self, text: str) -> None:
        self.text, self.stash, self.resolved, self.held = text, "", True, False


class Item:
    """`start` and `end` in ticks on the caller's clock, as far as they are known; `told`: the start as the service has
    it, which may be past all sound that it was sent; `reach`: the end as the service has it last, which may be another
    where it heard the turn once more; `closed`: it gets no more pieces. `whole`: the turn that the caller ends, where
    this is a sentence of it: the caller knows that one only, and `committed` says that the service ended the sentence.
    """

    def __init__(self, item_id: str, start: int | None = None, whole: Item | None = None) -> None:
        self.id = item_id
        self.whole = whole
        self.start = start
        self.told = start or 0
        self.end: int | None = None
        self.reach: int | None = None
        self.pieces: list[Piece] = []
        self.captions = Captions()
        self.started = False
        self.stopped = False
        self.committed = False
        self.closed = False
        self.language: str | None = None
        self.emotion: str | None = None
        self.error: CompatError | None = None

    @property
    def kept(self) -> bool:
        """Whether the caller cannot take it back."""
        return self.committed if self.whole is None else self.whole.committed

    @property
    def settled(self) -> bool:
        return self.error is not None or (self.closed and all(piece.resolved for piece in self.pieces))

    @property
    def seconds(self) -> float:
        return round(max(0, (self.end or 0) - (self.start or 0)) / TICKS, 3)

    def preview(self) -> tuple[str, str]:
        """Confirmed text and what may follow it: later pieces wait until those before them are final."""
        texts: list[str] = []
        for piece in self.pieces:
            if piece.held:
                return joined(texts), ""
            texts.append(piece.text)
            if not piece.resolved:
                return joined(texts), piece.stash
        return joined(texts), ""

    @property
    def transcript(self) -> str:
        return joined(piece.text for piece in self.pieces)
