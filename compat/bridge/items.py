"""What the caller knows as an item: one turn, of one piece or, if the caller ends it, of several."""

from __future__ import annotations

from collections import deque

from msgspec import UNSET

from compat.bridge.actions import Outbox
from compat.bridge.deltas import Deltas
from compat.bridge.limits import TICKS, TICKS_A_MS
from compat.errors import CompatError
from compat.openai_api.realtime import server_events as ours
from compat.openai_api.realtime.opening import Dialect
from compat.text import joined


class ItemPiece:
    """What the service recognises as one turn. In this session of the service: `fed`, some of its sound was sent;
    `asked`, its end was sent too. `held`: its text is not sent yet."""

    def __init__(self, item: SpeechItem) -> None:
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

    def feed(self) -> bool:
        """Some of its sound is sent. True for the first of it."""
        first, self.fed = not self.fed, True
        return first

    def ask(self) -> None:
        """Its end is sent."""
        self.asked = True

    def show(self, text: str, stash: str, *, held: bool) -> None:
        """The service's last snapshot of it."""
        self.text, self.stash, self.held = text, stash, held

    def resolve(self, text: str) -> None:
        self.text, self.stash, self.resolved, self.held = text, "", True, False

    def forget(self) -> None:
        """Whatever the service makes of it counts for nothing."""
        self.resolved = True

    def unsend(self) -> None:
        """It is sent again: whatever the service made of it so far counts for nothing."""
        self.fed = False

    def lose(self) -> None:
        """The service's session is gone. Its text stands until there is another."""
        self.fed, self.asked, self.stash = False, False, ""


class SpeechItem:
    """`start` and `end` in ticks on the caller's clock, as far as they are known; `told`: the start as the service has
    it, which may be past all sound that it was sent; `reach`: the end as the service has it last, which may be another
    where it heard the turn once more; `closed`: it gets no more pieces. `whole`: the turn that the caller ends, where
    this is a sentence of it: the caller knows that one only, and `committed` says that the service ended the sentence.
    """

    def __init__(self, item_id: str, start: int | None = None, whole: SpeechItem | None = None) -> None:
        self.id = item_id
        self.whole = whole
        self.start = start
        self.told = start or 0
        self.end: int | None = None
        self.reach: int | None = None
        self.pieces: list[ItemPiece] = []
        self.deltas = Deltas()
        self.started = False
        self.stopped = False
        self.committed = False
        self.closed = False
        self.language: str | None = None
        self.emotion: str | None = None
        self.error: CompatError | None = None

    def end_at(self, tick: int | None) -> None:
        """It ends here, if no end is known yet."""
        if self.end is None:
            self.end = tick

    def detected(self, told: int) -> None:
        """The service detected it: it is one piece, and begins at `told` as the service has it."""
        self.told, self.closed = told, True

    def start_at(self, tick: int) -> None:
        self.start = tick

    def reach_to(self, tick: int | None) -> None:
        """For the service it ends here, if no end is known yet."""
        if self.end is None:
            self.end = self.reach = tick

    def move_reach(self, tick: int) -> None:
        """For the service it ends here, whatever the caller was told."""
        self.reach = tick

    def close(self, tick: int | None = None) -> None:
        """It gets no more pieces, and ends here, if no end is known yet."""
        self.closed = True
        self.end_at(tick)

    def remove(self, piece: ItemPiece) -> None:
        self.pieces.remove(piece)

    def fail(self, error: CompatError) -> None:
        self.error = error

    def note(self, language: str | None, emotion: str | None) -> None:
        """What the service says of the language and emotion, if anything."""
        self.language, self.emotion = language or self.language, emotion or self.emotion

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


class ItemEvents:
    """`reached`: where the last item ends, in ticks on the caller's clock. `corrections` counts items whose final words
    contradict their deltas."""

    def __init__(self, outbox: Outbox, dialect: Dialect, remembered: int) -> None:
        self._outbox = outbox
        self._dialect = dialect
        self._remembered = remembered
        self._past: dict[str, str | None] = {}
        self.reached = 0
        self.open: deque[SpeechItem] = deque()
        self.completions = 0
        self.corrections = 0

    def new(self, start: int | None = None) -> SpeechItem:
        return SpeechItem(self._outbox.ids("item"), start)

    def sentence(self, start: int, whole: SpeechItem) -> SpeechItem:
        """A part of a turn that the caller ends: only its text is reported, as the turn's."""
        return SpeechItem(whole.id, start, whole)

    def started(self, item: SpeechItem, padding_ms: int) -> None:
        if item.started or item.committed or item.start is None or item.whole is not None:
            return
        item.started = True
        at_ms = max(item.start // TICKS_A_MS - padding_ms, self.reached // TICKS_A_MS)
        self._outbox.say(ours.SpeechStarted(event_id=self._outbox.event_id(), audio_start_ms=at_ms, item_id=item.id))

    def stopped(self, item: SpeechItem) -> None:
        if item.stopped or item.end is None or not item.started:
            return
        item.stopped = True
        self.reached = max(item.end, item.start or 0, self.reached)
        at_ms = self.reached // TICKS_A_MS
        self._outbox.say(ours.SpeechStopped(event_id=self._outbox.event_id(), audio_end_ms=at_ms, item_id=item.id))

    def commit(self, item: SpeechItem) -> None:
        if item.committed:
            return
        self.stopped(item)
        item.committed = True
        if item.whole is not None:
            return
        self.reached = max(self.reached, item.end or 0)
        self.open.append(item)
        event_id, previous = self._outbox.event_id(), next(reversed(self._past), None)
        self._outbox.say(ours.Committed(event_id=event_id, previous_item_id=previous, item_id=item.id))
        self._announce(item, previous)
        self._past[item.id] = None
        if len(self._past) > self._remembered:
            del self._past[next(iter(self._past))]

    def cleared(self, tick: int) -> None:
        """The caller dropped what it had not committed: no item begins before this position."""
        self.reached = max(self.reached, tick)
        self._outbox.say(ours.Cleared(event_id=self._outbox.event_id()))

    def _announce(self, item: SpeechItem, previous: str | None) -> None:
        told = ours.Item(id=item.id)
        shapes = (ours.ItemCreated,) if self._dialect == "beta" else (ours.ItemAdded, ours.ItemDone)
        for shape in shapes:
            self._outbox.say(shape(event_id=self._outbox.event_id(), previous_item_id=previous, item=told))

    def progress(self, item: SpeechItem) -> None:
        """A snapshot came: what is settled of it leaves as a delta."""
        item = item.whole or item
        if item.error is None:
            self._delta(item, item.deltas.grow(*item.preview()))

    def settle(self) -> None:
        """End every item whose result is known and whose predecessors have ended."""
        while self.open and self.open[0].settled:
            item = self.open.popleft()
            if item.error is not None:
                self._failed(item, item.error)
            else:
                self._completed(item)

    def fail(self, error: CompatError) -> None:
        """End every committed item that has no result yet as failed."""
        for item in self.open:
            if not item.settled:
                item.fail(error)
        self.settle()

    def retrieve(self, item_id: str) -> ours.Item | None:
        if item_id not in self._past:
            return None
        return ours.Item(id=item_id, content=(ours.Content(transcript=self._past[item_id]),))

    def forget(self, item_id: str) -> bool:
        return self._past.pop(item_id, self) is not self

    def _completed(self, item: SpeechItem) -> None:
        transcript = item.transcript
        delta, joined = item.deltas.end(transcript)
        self._delta(item, delta)
        self.completions += 1
        self.corrections += not joined
        if item.id in self._past:
            self._past[item.id] = transcript
        self._outbox.say(
            ours.Completed(
                event_id=self._outbox.event_id(),
                item_id=item.id,
                transcript=transcript,
                languages=(ours.Language(item.language),) if item.language else UNSET,
                usage=ours.Usage(item.seconds),
                dashscope=ours.Hint(language=item.language, emotion=item.emotion),
            )
        )

    def _failed(self, item: SpeechItem, error: CompatError) -> None:
        self._outbox.say(ours.Failed(event_id=self._outbox.event_id(), item_id=item.id, error=ours.Fault.of(error)))

    def _delta(self, item: SpeechItem, delta: str) -> None:
        if delta:
            hint = ours.Hint(stash=item.deltas.stash, language=item.language, emotion=item.emotion)
            self._outbox.say(ours.Delta(event_id=self._outbox.event_id(), item_id=item.id, delta=delta, dashscope=hint))
