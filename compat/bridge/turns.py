"""Binds the turns that the service reports to the items that the client knows.

The id of a turn is valid in one session of the service only. After a reconnection, unanswered sound is sent again and
its turns are reported again, with new ids. They are bound to the items that were left unfinished: detected turns by
their beginning on the client's clock, turns by hand by their order. Nothing is reported to the client twice.
"""

from __future__ import annotations

from collections import deque

from msgspec import UNSET

from compat.bridge.echoes import EchoCheck
from compat.bridge.items import ItemEvents, ItemPiece, SpeechItem
from compat.bridge.limits import TICKS, TICKS_A_MS
from compat.bridge.pauses import Pauses
from compat.bridge.settings import Target
from compat.bridge.timeline import Timeline
from compat.dashscope_api.live import turns
from compat.errors import CompatError
from compat.openai_api.realtime import server_events as ours

_REMEMBERED_TURNS = 64
_EARLY = 100 * TICKS_A_MS


class TurnBinder:
    """The turns of the service's session and their items.

    `detecting` means that the service detects turns; otherwise its turns are pieces of manual turns, in order.
    `joining` means that it detects sentences of the turns in `joins`, which the client ends.

    `waiting` holds pieces of manual turns that are not bound to a turn yet, in the order of their audio. `unfinished`
    holds items of detected turns without a result. All audio up to the tick `answered_to` has results. `ignoring`
    means that new turns of this session are ignored, `early` that the service ends turns sooner than it is asked to,
    and `postponed` that their audio is sent again in the next session.
    """

    def __init__(self, items: ItemEvents, echoes: EchoCheck, pauses: Pauses) -> None:
        self.detecting = True
        self.joining = False
        self.joins: deque[SpeechItem] = deque()
        self.early = False
        self.padding_ms = 0
        self.answered_to = self._reached = 0
        self._answers = 0
        self.waiting: deque[ItemPiece] = deque()
        self.unfinished: list[SpeechItem] = []
        self._answered: list[SpeechItem] = []
        self._orphans: deque[SpeechItem] = deque()
        self._turns: dict[str, ItemPiece] = {}
        self._ended: deque[str] = deque(maxlen=_REMEMBERED_TURNS)
        self.ignoring = self.postponed = False
        self._items = items
        self._echoes = echoes
        self._pauses = pauses

    @property
    def heard_to(self) -> int:
        """The end of the last detected turn."""
        return max(
            [self.answered_to, self._reached, *(item.reach or 0 for item in (*self.unfinished, *self._answered))]
        )

    @property
    def committed_to(self) -> int:
        """The end of the last turn that is committed and not answered."""
        return max([0, *(item.reach or 0 for item in self.unfinished if item.committed and item.kept)])

    @property
    def speaking(self) -> bool:
        """Whether a detected turn has begun and not ended."""
        return any(not item.committed for item in self.unfinished)

    def set_padding(self, ms: int) -> None:
        """Report that turns begin this much earlier (`prefix_padding_ms`)."""
        self.padding_ms = ms

    def postpone(self) -> None:
        """Ignore turns that begin from here on: the next session of the service receives their audio again."""
        self.ignoring = self.postponed = True

    def configure(self, target: Target) -> None:
        """Set how the service reports later turns."""
        self.detecting, self.joining = target.setup.detection is not None, target.joins

    def knows(self, turn: str) -> bool:
        """Whether this turn, or an item that it may repeat, is already known."""
        return turn in self._turns or turn in self._ended or bool(self._orphans) or self.ignoring

    @property
    def following(self) -> bool:
        """Whether this session of the service has reported a turn that has not ended."""
        return any(piece.item in self.unfinished and not piece.item.committed for piece in self._turns.values())

    @property
    def earliest(self) -> int | None:
        """The beginning of the oldest unfinished item."""
        return min((item.start or 0 for item in self.unfinished), default=None)

    @property
    def out_of_order(self) -> list[tuple[int, int]]:
        """Spans of sound that is answered although earlier sound is not. Each begins at the end of the turn before, as
        a turn may begin a little sooner than the service reports."""
        spans: list[tuple[int, int]] = []
        before: int | None = self.answered_to
        for item in sorted((*self.unfinished, *self._answered), key=lambda item: item.start or 0):
            if item in self._answered and item.next is not None:
                spans.append(((item.start or 0) if before is None else before, item.next))
            before = item.next
        return spans

    def handle(self, report: turns.TurnReport, timeline: Timeline) -> bool:
        """Handle a report. Returns whether some piece has its result now."""
        answers = self._answers
        self._handle(report, timeline)
        return self._answers > answers

    def _handle(self, report: turns.TurnReport, timeline: Timeline) -> None:
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
                following = report.next_ms if self.early and report.next_ms is not None else report.at_ms
                item.move_reach(timeline.ended(report.at_ms), timeline.ended(following))
            case turns.TurnCommitted():
                self._commit(item, timeline.ended(None))
            case turns.SourceText() | turns.Voice():
                self._accompany(piece, report, timeline)
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
        announced = report if isinstance(report, turns.Started) else None
        at_ms, follows = (announced.at_ms, announced.follows) if announced else (None, None)
        start = timeline.began(at_ms)
        reported = start if at_ms is None else timeline.reported(at_ms)
        item = None if follows else self._orphan(reported if announced else None)
        if item is not None:
            return item.pieces[0]
        # Nothing is sent again that ends before what was heard.
        heard = follows in self._ended if announced else self.heard_to >= timeline.ended(None)
        if (self.ignoring and not heard) or (self.joining and not self.joins):
            return None
        if not announced and not self.joining:
            start = reported = self._unannounced(timeline)
        item = self._items.sentence(start, self.joins[0]) if self.joining else self._items.new(start)
        item.detected(reported)
        self.unfinished.append(item)
        return ItemPiece(item)

    def _unannounced(self, timeline: Timeline) -> int:
        """Where a turn begins if the service does not report it. The turn before has ended there."""
        end = timeline.ended(None)
        before = next((item for item in reversed(self.unfinished) if item.reach is None), None)
        if before is None:
            return next(iter(self._pauses.beginnings(self.heard_to, end)), self.heard_to)
        start = self._following(before, end)
        if start < end:
            before.reach_to(start)
        return start

    def _end_of(self, item: SpeechItem, timeline: Timeline) -> int:
        """Where a turn ends that has its result. If the service reported neither beginning nor end, the next turn may
        have begun."""
        end = timeline.ended(None)
        reported = item.started or item.whole is not None or item.end is not None
        return end if reported else self._following(item, end)

    def _following(self, item: SpeechItem, end: int) -> int:
        """Where speech begins after this turn, or `end`."""
        return next(iter(self._pauses.beginnings(item.start or 0, end)[1:]), end)

    def _orphan(self, start: int | None) -> SpeechItem | None:
        """The unfinished item of an earlier session that this turn repeats. Items before it get no more text."""
        while self._orphans:
            item = self._orphans.popleft()
            if start is None or item.end is None or start < item.end or start <= item.reported:
                return item
            self._give_up(item)
        return None

    def _start(self, item: SpeechItem, start: int) -> None:
        if self.detecting and not item.started:
            self.early |= start + _EARLY < self.heard_to
            item.start_at(start)
            self._items.started(item, self.padding_ms)

    def _commit(self, item: SpeechItem, end: int) -> None:
        """Commit a detected turn as soon as it ends, so that a later clear does not take it back."""
        if self.detecting:
            item.reach_to(end)
            self._items.commit(item)

    def _progress(self, piece: ItemPiece, report: turns.Snapshot) -> None:
        item = piece.item
        _note(item, report)
        piece.show(report.text, report.stash, held=self._echoes.may_be_echo(report.text + report.stash))
        if item.committed or self.detecting:
            self._items.progress(item)

    def _accompany(self, piece: ItemPiece, report: turns.SourceText | turns.Voice, timeline: Timeline) -> None:
        self._items.accompany(piece, report)
        if isinstance(report, turns.SourceText) and report.final and not piece.item.started:
            piece.item.reach_to(self._end_of(piece.item, timeline))

    def _final(self, piece: ItemPiece, report: turns.Final, timeline: Timeline) -> None:
        item = piece.item
        _note(item, report)
        self._commit(item, self._end_of(item, timeline))
        piece.detail(tuple(_word(word, timeline) for word in report.words), report.usage)
        self._end(report.turn, piece, report.text)

    def _end(self, turn: str | None, piece: ItemPiece, text: str) -> None:
        if not self._echoes.accepts(piece, text):
            text = ""
            piece.detail((), piece.usage)
        piece.resolve(text)
        self._answers += 1
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
        for done in [done for done in self._answered if floor is None or (done.next or 0) <= floor]:
            self._answered.remove(done)
            self.answered_to = max(self.answered_to, done.next or 0)
            self._reached = max(self._reached, done.reach or 0)

    def _give_up(self, item: SpeechItem) -> None:
        """The service reports nothing more about this item: its last text is the transcript."""
        if self.detecting:
            item.reach_to(item.start)
            self._items.commit(item)
        for piece in item.pieces:
            if not piece.resolved:
                self._end(None, piece, piece.text + piece.stash)

    def feed(self, piece: ItemPiece) -> None:
        """Sound of this piece is being sent: the next unknown turn belongs to it."""
        if piece.feed():
            self.waiting.append(piece)

    def set_aside(self) -> None:
        """The session is being finished: the result for a piece without a commit is ignored, as that piece is
        sent again."""
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
        """The service reports nothing (more) about a committed piece."""
        if piece in self.waiting:
            self.waiting.remove(piece)
        if not piece.resolved:
            self._end(None, piece, piece.text + piece.stash)

    def give_up(self) -> None:
        """There is no sound left for the committed turns that the service has not answered."""
        for item in [item for item in self.unfinished if item.committed]:
            self._give_up(item)

    def finished(self, tick: int) -> None:
        """The service has answered everything it was sent: the sound up to this tick."""
        for item in list(self.unfinished):
            if item.pieces[0] in self._turns.values():
                item.reach_to(tick)
            self._give_up(item)
        asked = [piece for piece in (*self._turns.values(), *self.waiting) if piece.asked]
        for piece in asked:
            self.silent(piece)
        if not self.postponed:
            self.answered_to = max(self.answered_to, tick)

    def lost(self) -> None:
        """Forget the ids of turns, because the service's session has ended."""
        for piece in (*self._turns.values(), *self.waiting):
            piece.lose()
        self._turns.clear()
        self._ended.clear()
        self.ignoring = self.postponed = False
        self.waiting.clear()
        self._orphans = deque(self.unfinished)

    def drop(self, tick: int, *, ignoring: bool) -> None:
        """Discard the client's uncommitted audio, and its items.

        With `ignoring`, some of that audio was sent, and turns that this session still reports in it are ignored.
        """
        self.ignoring |= ignoring
        for item in [item for item in self.unfinished if not (item.committed and item.kept)]:
            item.end_at(tick)
            self._items.stopped(item)
            self.unfinished.remove(item)
            self._orphans = deque(orphan for orphan in self._orphans if orphan is not item)
            for turn in [turn for turn, piece in self._turns.items() if piece.item is item]:
                del self._turns[turn]
                self._ended.append(turn)

    def add_joined(self, item: SpeechItem) -> None:
        """Add a turn that the client ends, and in which the service detects sentences."""
        self.joins.append(item)

    def join(self, item: SpeechItem) -> None:
        """Complete a joined turn when all its sentences have results."""
        self.joins.remove(item)
        item.close()
        self._items.settle()

    def withdraw(self, item: SpeechItem) -> None:
        """Remove a turn that the client did not commit."""
        if item in self.joins:
            self.joins.remove(item)
        for piece in item.pieces:
            self.forget(piece)

    def forget(self, piece: ItemPiece) -> None:
        """Ignore the result of this piece."""
        piece.forget()
        if piece in self.waiting:
            self.waiting.remove(piece)

    def fail(self, error: CompatError, tick: int) -> None:
        """Commit and fail every unfinished item; an open one ends at `tick`."""
        for item in self.unfinished:
            item.fail(error)
            item.end_at(tick)
            self._items.commit(item)
        self.unfinished.clear()


def _word(word: turns.TurnWord, timeline: Timeline) -> ours.WordView:
    start, end = timeline.began(word.begin_ms), timeline.ended(word.end_ms)
    return ours.WordView(
        word=word.text,
        start=round(start / TICKS, 3),
        end=round(max(start, end) / TICKS, 3),
        sentence_id=UNSET if word.sentence is None else word.sentence,
    )


def _note(item: SpeechItem, report: turns.Snapshot | turns.Final) -> None:
    (item.whole or item).note(report.language, report.emotion)
