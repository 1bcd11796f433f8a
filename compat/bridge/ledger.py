"""The caller's side of every item: announced once, in one chain, ended once, in the order of the commits."""

from __future__ import annotations

from collections import deque

from msgspec import UNSET

from compat.bridge.items import Item
from compat.bridge.limits import TICKS_A_MS
from compat.bridge.outbox import Outbox
from compat.errors import CompatError
from compat.openai_api.realtime import server_events as ours
from compat.openai_api.realtime.opening import Dialect


class Ledger:
    """`reached`: where the last item ends, in ticks on the caller's clock. `corrections` counts items whose final words
    contradict their deltas."""

    def __init__(self, outbox: Outbox, dialect: Dialect, remembered: int) -> None:
        self._outbox = outbox
        self._dialect = dialect
        self._remembered = remembered
        self._past: dict[str, str | None] = {}
        self.reached = 0
        self.open: deque[Item] = deque()
        self.completions = 0
        self.corrections = 0

    def new(self, start: int | None = None) -> Item:
        return Item(self._outbox.ids("item"), start)

    def sentence(self, start: int, whole: Item) -> Item:
        """A part of a turn that the caller ends: only its text is reported, as the turn's."""
        return Item(whole.id, start, whole)

    def started(self, item: Item, padding_ms: int) -> None:
        if item.started or item.committed or item.start is None or item.whole is not None:
            return
        item.started = True
        at_ms = max(item.start // TICKS_A_MS - padding_ms, self.reached // TICKS_A_MS)
        self._outbox.say(ours.SpeechStarted(event_id=self._outbox.event_id(), audio_start_ms=at_ms, item_id=item.id))

    def stopped(self, item: Item) -> None:
        if item.stopped or item.end is None or not item.started:
            return
        item.stopped = True
        self.reached = max(item.end, item.start or 0, self.reached)
        at_ms = self.reached // TICKS_A_MS
        self._outbox.say(ours.SpeechStopped(event_id=self._outbox.event_id(), audio_end_ms=at_ms, item_id=item.id))

    def commit(self, item: Item) -> None:
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

    def _announce(self, item: Item, previous: str | None) -> None:
        told = ours.Item(id=item.id)
        shapes = (ours.ItemCreated,) if self._dialect == "beta" else (ours.ItemAdded, ours.ItemDone)
        for shape in shapes:
            self._outbox.say(shape(event_id=self._outbox.event_id(), previous_item_id=previous, item=told))

    def progress(self, item: Item) -> None:
        """A snapshot came: what is settled of it leaves as a delta."""
        item = item.whole or item
        if item.error is None:
            self._delta(item, item.captions.grow(*item.preview()))

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
                item.error = error
        self.settle()

    def retrieve(self, item_id: str) -> ours.Item | None:
        if item_id not in self._past:
            return None
        return ours.Item(id=item_id, content=(ours.Content(transcript=self._past[item_id]),))

    def forget(self, item_id: str) -> bool:
        return self._past.pop(item_id, self) is not self

    def _completed(self, item: Item) -> None:
        transcript = item.transcript
        delta, joined = item.captions.end(transcript)
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

    def _failed(self, item: Item, error: CompatError) -> None:
        self._outbox.say(ours.Failed(event_id=self._outbox.event_id(), item_id=item.id, error=ours.Fault.of(error)))

    def _delta(self, item: Item, delta: str) -> None:
        if delta:
            hint = ours.Hint(stash=item.captions.stash, language=item.language, emotion=item.emotion)
            self._outbox.say(ours.Delta(event_id=self._outbox.event_id(), item_id=item.id, delta=delta, dashscope=hint))
