"""Binds the turns that the service reports to the items that the caller knows.

A turn's id lives as long as one session of the service. After a reconnection the turns of replayed sound find the
items that were left unfinished, by the caller's clock or by order; nothing that the caller was told is told again.
"""

from __future__ import annotations

from collections import deque

from compat.bridge.echoes import EchoCheck
from compat.bridge.items import ItemEvents, ItemPiece, SpeechItem
from compat.bridge.settings import Target
from compat.bridge.timeline import Timeline
from compat.dashscope_api.realtime import turns
from compat.errors import CompatError

_REMEMBERED_TURNS = 64


class TurnBinder:
    """`detecting`: the service finds the turns; else they are pieces that were committed, in order. `joins`: the turns
    that the caller ends and the service hears as sentences, in order; they are joined while `joining`.

    `waiting` are manual pieces in the order of their first sound, not yet bound to a turn. `answered_to`: all sound
    up to this tick is answered. `answers` counts pieces with a result. `deaf`: this session of the service tells of
    no new turn; `again`: the next one hears them.
    """

    def __init__(self, items: ItemEvents, echoes: EchoCheck) -> None:
        self.detecting = True
        self.joining = False
        self.joins: deque[SpeechItem] = deque()
        self.padding_ms = 0
        self.answered_to = 0
        self.answers = 0
        self.waiting: deque[ItemPiece] = deque()
        self.unfinished: list[SpeechItem] = []
        self._answered: list[SpeechItem] = []
        self._orphans: deque[SpeechItem] = deque()
        self._turns: dict[str, ItemPiece] = {}
        self._ended: deque[str] = deque(maxlen=_REMEMBERED_TURNS)
        self.deaf = self.again = False
        self._items = items
        self._echoes = echoes

    @property
    def heard_to(self) -> int:
        """Where the last detected turn ended."""
        return max([self.answered_to, *(item.reach or 0 for item in (*self.unfinished, *self._answered))])

    @property
    def committed_to(self) -> int:
        """Where the last turn ended that was committed and is not answered."""
        return max([0, *(item.reach or 0 for item in self.unfinished if item.committed and item.kept)])

    @property
    def speaking(self) -> bool:
        """Whether a detected turn has begun and not ended."""
        return any(not item.committed for item in self.unfinished)

    def pad(self, ms: int) -> None:
        """Report beginnings of turns so much earlier."""
        self.padding_ms = ms

    def postpone(self) -> None:
        """Turns that begin from here on are left to the next session of the service, which hears their sound again."""
        self.deaf = self.again = True

    def listen(self, target: Target) -> None:
        """Use this way of finding turns from here on."""
        self.detecting, self.joining = target.setup.detection is not None, target.joins

    def knows(self, turn: str) -> bool:
        """Whether this turn, or one that it may repeat, is already known."""
        return turn in self._turns or turn in self._ended or bool(self._orphans) or self.deaf

    @property
    def following(self) -> bool:
        """Whether such a turn was heard of in this session of the service."""
        return any(piece.item in self.unfinished and not piece.item.committed for piece in self._turns.values())

    @property
    def earliest(self) -> int | None:
        """Where the oldest unfinished detected turn began."""
        return min((item.start or 0 for item in self.unfinished), default=None)

    @property
    def out_of_order(self) -> list[tuple[int, int]]:
        """Where sound was answered although earlier sound was not: each time from the end of the turn before, as a turn
        may begin a little sooner than the service says."""
        spans: list[tuple[int, int]] = []
        before: int | None = self.answered_to
        for item in sorted((*self.unfinished, *self._answered), key=lambda item: item.start or 0):
            if item in self._answered and item.reach is not None:
                spans.append(((item.start or 0) if before is None else before, item.reach))
            before = item.reach
        return spans

    def hear(self, report: turns.TurnReport, timeline: Timeline) -> None:
        if report.turn in self._ended:
            return
        piece = self._piece(report, timeline)
        if piece is None or piece.resolved:
            return
        item = piece.item
        match report:
            case turns.Started():
                self._start(item, timeline.began(report.at_ms))
            case turns.Stopped():
                self._commit(item, timeline.ended(report.at_ms))
                item.move_reach(timeline.ended(report.at_ms))
            case turns.Committed():
                self._commit(item, timeline.ended(None))
            case turns.Snapshot():
                self._progress(piece, report)
            case turns.Final():
                self._final(piece, report, timeline)
            case turns.TurnFailed():
                (item.whole or item).fail(report.error)
                self._commit(item, timeline.ended(None))
                self._end(report.turn, piece, "")

    def _piece(self, report: turns.TurnReport, timeline: Timeline) -> ItemPiece | None:
        piece = self._turns.get(report.turn)
        if piece is None:
            piece = self._detected(report, timeline) if self.detecting else self._next()
            if piece is not None:
                self._turns[report.turn] = piece
        return piece

    def _next(self) -> ItemPiece | None:
        return self.waiting.popleft() if self.waiting else None

    def _detected(self, report: turns.TurnReport, timeline: Timeline) -> ItemPiece | None:
        at_ms = report.at_ms if isinstance(report, turns.Started) else None
        start = timeline.began(at_ms)
        told = start if at_ms is None else timeline.told(at_ms)
        item = self._orphan(told if isinstance(report, turns.Started) else None)
        if item is not None:
            return item.pieces[0]
        if self.deaf or (self.joining and not self.joins):
            return None
        item = self._items.sentence(start, self.joins[0]) if self.joining else self._items.new(start)
        item.detected(told)
        self.unfinished.append(item)
        return ItemPiece(item)

    def _orphan(self, start: int | None) -> SpeechItem | None:
        """The unfinished item of an earlier session that this turn repeats. Those before it were silent after all."""
        while self._orphans:
            item = self._orphans.popleft()
            if start is None or item.end is None or start < item.end or start <= item.told:
                return item
            self._give_up(item)
        return None

    def _start(self, item: SpeechItem, start: int) -> None:
        if self.detecting and not item.started:
            item.start_at(start)
            self._items.started(item, self.padding_ms)

    def _commit(self, item: SpeechItem, end: int) -> None:
        """A detected turn is committed as soon as it ends, so that no clear after its end takes it back."""
        if self.detecting:
            item.reach_to(end)
            self._items.commit(item)

    def _progress(self, piece: ItemPiece, report: turns.Snapshot) -> None:
        item = piece.item
        _note(item, report)
        piece.show(report.text, report.stash, held=self._echoes.waits(report.text + report.stash))
        if item.committed or self.detecting:
            self._items.progress(item)

    def _final(self, piece: ItemPiece, report: turns.Final, timeline: Timeline) -> None:
        item = piece.item
        _note(item, report)
        self._commit(item, timeline.ended(None))
        self._end(report.turn, piece, report.text)

    def _end(self, turn: str | None, piece: ItemPiece, text: str) -> None:
        piece.resolve(text if self._echoes.believes(piece, text) else "")
        self.answers += 1
        if turn is not None:
            self._turns.pop(turn, None)
            self._ended.append(turn)
        if self.detecting:
            self._answer(piece.item)
            if piece.item.whole is not None:
                self._items.progress(piece.item)
        elif piece.item.committed and not piece.item.settled:
            self._items.progress(piece.item)
        self._items.settle()

    def _answer(self, item: SpeechItem) -> None:
        if item in self.unfinished:
            self.unfinished.remove(item)
            self._answered.append(item)
        floor = self.earliest
        for done in [done for done in self._answered if floor is None or (done.reach or 0) <= floor]:
            self._answered.remove(done)
            self.answered_to = max(self.answered_to, done.reach or 0)

    def _give_up(self, item: SpeechItem) -> None:
        """The service has nothing (more) to say about this item: what it last said is the transcript."""
        if self.detecting:
            item.reach_to(item.start)
            self._items.commit(item)
        for piece in item.pieces:
            if not piece.resolved:
                self._end(None, piece, piece.text + piece.stash)

    def feed(self, piece: ItemPiece) -> None:
        """Sound of this piece is being sent: the next turn that nobody knows is its."""
        if piece.feed():
            self.waiting.append(piece)

    def set_aside(self) -> None:
        """The service ends its session: what it makes of a piece whose end it was not told counts for nothing, as that
        piece is sent again."""
        if self.detecting:
            return
        for turn, piece in [(turn, piece) for turn, piece in self._turns.items() if not piece.asked]:
            del self._turns[turn]
            self._ended.append(turn)
            piece.unsend()
        for piece in [piece for piece in self.waiting if not piece.asked]:
            self.waiting.remove(piece)
            piece.unsend()

    def silent(self, piece: ItemPiece) -> None:
        """The service has nothing to say about a piece that was committed."""
        if piece in self.waiting:
            self.waiting.remove(piece)
        if not piece.resolved:
            self._end(None, piece, piece.text + piece.stash)

    def give_up(self) -> None:
        """There is no sound left in which the service could find the committed turns that it has not answered."""
        for item in [item for item in self.unfinished if item.committed]:
            self._give_up(item)

    def finished(self, tick: int) -> None:
        """The service has answered everything that it was sent, which was the sound up to this tick."""
        for item in list(self.unfinished):
            if item.pieces[0] in self._turns.values():
                item.reach_to(tick)
            self._give_up(item)
        asked = [piece for piece in (*self._turns.values(), *self.waiting) if piece.asked]
        for piece in asked:
            self.silent(piece)
        if not self.again:
            self.answered_to = max(self.answered_to, tick)
        self.lost()

    def lost(self) -> None:
        """The service's session is gone, and its turn ids with it."""
        for piece in (*self._turns.values(), *self.waiting):
            piece.lose()
        self._turns.clear()
        self._ended.clear()
        self.deaf = self.again = False
        self.waiting.clear()
        self._orphans = deque(self.unfinished)

    def drop(self, tick: int, *, deaf: bool) -> None:
        """The caller takes back what it has not committed; its item, if there is one, is not mentioned again. `deaf`:
        some of it was sent, so a turn that this session of the service may still find is not the caller's."""
        self.deaf |= deaf
        for item in [item for item in self.unfinished if not (item.committed and item.kept)]:
            item.end_at(tick)
            self._items.stopped(item)
            self.unfinished.remove(item)
            self._orphans = deque(orphan for orphan in self._orphans if orphan is not item)
            for turn in [turn for turn, piece in self._turns.items() if piece.item is item]:
                del self._turns[turn]
                self._ended.append(turn)

    def join(self, item: SpeechItem) -> None:
        """All sentences of this turn are answered."""
        self.joins.remove(item)
        item.close()
        self._items.settle()

    def withdraw(self, item: SpeechItem) -> None:
        """The caller takes back a turn that it has not committed."""
        if item in self.joins:
            self.joins.remove(item)
        for piece in item.pieces:
            self.forget(piece)

    def forget(self, piece: ItemPiece) -> None:
        """Whatever the service makes of this piece counts for nothing."""
        piece.forget()
        if piece in self.waiting:
            self.waiting.remove(piece)

    def fail(self, error: CompatError, tick: int) -> None:
        """Commit and fail every unfinished detected turn; an open one ends here."""
        for item in self.unfinished:
            item.fail(error)
            item.end_at(tick)
            self._items.commit(item)
        self.unfinished.clear()


def _note(item: SpeechItem, report: turns.Snapshot | turns.Final) -> None:
    (item.whole or item).note(report.language, report.emotion)
