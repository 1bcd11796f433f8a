"""Items, and their one chain of events to the client.

An item is one turn of the client. It has one piece, or several if the client ends the turn: what the service recognises
as one turn is a piece. `ItemEvents` reports every item once, links it to the one before, and ends items in the order of
their commits.
"""

from __future__ import annotations

from collections import deque
from itertools import takewhile

import msgspec
from msgspec import UNSET

from compat.bridge.deltas import ItemDeltas
from compat.bridge.face import SourceDelta, VoiceDelta
from compat.bridge.limits import TICKS, TICKS_A_MS
from compat.bridge.outbox import Outbox
from compat.dashscope_api.live.turns import SourceText, TurnUsage, Voice
from compat.errors import CompatError, NotFound
from compat.openai_api.realtime import server_events as ours
from compat.openai_api.realtime.opening import Dialect
from compat.text import joined


class ItemPiece:
    """What the service recognises as one turn. `text` and `stash` are its last snapshot. `fed`: this session of the
    service was sent some of its sound; `asked`: its commit too. `voiced`: bytes of its voice that the client has;
    `revoiced`: those that this session of the service has sent. `held`: its text may be an echo of the prompt, and is
    not reported yet. `resolved`: it has its result."""

    def __init__(self, item: SpeechItem) -> None:
        self.item = item
        self.held = False
        self.text = ""
        self.stash = ""
        self.fed = False
        self.asked = False
        self.resolved = False
        self.words: tuple[ours.WordView, ...] = ()
        self.usage: TurnUsage | None = None
        self.voiced = 0
        self.revoiced = 0
        item.pieces.append(self)
        if item.whole is not None:
            item.whole.pieces.append(self)

    def feed(self) -> bool:
        """Some of its sound is sent. True for the first time."""
        first, self.fed = not self.fed, True
        return first

    def ask(self) -> None:
        """Its commit is sent."""
        self.asked = True

    def show(self, text: str, stash: str, *, held: bool) -> None:
        """A snapshot came."""
        self.text, self.stash, self.held = text, stash, held

    def resolve(self, text: str) -> None:
        self.text, self.stash, self.resolved, self.held = text, "", True, False

    def detail(self, words: tuple[ours.WordView, ...], usage: TurnUsage | None) -> None:
        """The service gave these with the result."""
        self.words, self.usage = words, usage

    def more_voice(self, pcm: bytes) -> bytes:
        """More of its voice came. Return what the client does not have, as a session of the service begins again."""
        fresh = pcm[max(0, self.voiced - self.revoiced) :]
        self.revoiced += len(pcm)
        self.voiced = max(self.voiced, self.revoiced)
        return fresh

    def forget(self) -> None:
        """Ignore its result."""
        self.resolved = True

    def unsend(self) -> None:
        """It will be sent again."""
        self.fed = False

    def lose(self) -> None:
        """The service's session is gone. The confirmed text stays until there is another."""
        self.fed, self.asked, self.stash, self.revoiced = False, False, "", 0


class SpeechItem:
    """`start` and `end`: in ticks on the client's clock, as far as they are known. `reported`: the start as the service
    reported it, which may lie past all sound that it was sent. `reach`: the end as the service reported it last, which
    differs from `end` if a replay of the turn ended at another place. `next`: where the next turn begins at the
    earliest. `closed`: it gets no more pieces.

    `deltas` of its text, and of the `original` if that is a translation.

    `whole`: if this is a sentence of a joined turn, the item of that turn. The client knows that one only, and
    `committed` of a sentence means that the service has ended it.
    """

    def __init__(self, item_id: str, start: int | None = None, whole: SpeechItem | None = None) -> None:
        self.id = item_id
        self.whole = whole
        self.start = start
        self.reported = start or 0
        self.end: int | None = None
        self.reach: int | None = None
        self.next: int | None = None
        self.pieces: list[ItemPiece] = []
        self.deltas = ItemDeltas()
        self.original = ItemDeltas()
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

    def detected(self, reported: int) -> None:
        """The service detected it: it has one piece, and the service reported that it begins at `reported`."""
        self.reported, self.closed = reported, True

    def start_at(self, tick: int) -> None:
        self.start = tick

    def reach_to(self, tick: int | None) -> None:
        """The service ended it here, if no end is known yet."""
        if self.end is None:
            self.end = self.reach = self.next = tick

    def move_reach(self, tick: int, following: int) -> None:
        """The service ended it here, this time, and the next turn may begin at `following`."""
        self.reach, self.next = tick, min(tick, following)

    def close(self, tick: int | None = None) -> None:
        """It gets no more pieces, and ends here, if no end is known yet."""
        self.closed = True
        self.end_at(tick)

    def remove(self, piece: ItemPiece) -> None:
        self.pieces.remove(piece)

    def fail(self, error: CompatError) -> None:
        self.error = error

    def note(self, language: str | None, emotion: str | None) -> None:
        """Keep the language and emotion, if the service reported any."""
        self.language, self.emotion = language or self.language, emotion or self.emotion

    @property
    def kept(self) -> bool:
        """Whether the client cannot take it back any more."""
        return self.committed if self.whole is None else self.whole.committed

    @property
    def settled(self) -> bool:
        return self.error is not None or (self.closed and all(piece.resolved for piece in self.pieces))

    @property
    def seconds(self) -> float:
        return round(max(0, (self.end or 0) - (self.start or 0)) / TICKS, 3)

    def preview(self) -> tuple[str, str]:
        """Confirmed text and what may follow it. Later pieces wait until those before them have a result."""
        texts: list[str] = []
        for piece in self.pieces:
            if piece.held:
                return joined(texts), ""
            texts.append(piece.text)
            if not piece.resolved:
                return joined(texts), piece.stash
        return joined(texts), ""

    @property
    def final(self) -> str:
        """Return the beginning of the transcript that has its result."""
        return joined(piece.text for piece in takewhile(lambda piece: piece.resolved, self.pieces))

    @property
    def transcript(self) -> str:
        return joined(piece.text for piece in self.pieces)

    @property
    def words(self) -> tuple[ours.WordView, ...]:
        """Each piece counts its sentences by itself: here they count on."""
        given = [((number, word.sentence_id), word) for number, piece in enumerate(self.pieces) for word in piece.words]
        sentences = {key: count for count, key in enumerate(dict.fromkeys(key for key, _ in given), 1)}
        return tuple(
            word if word.sentence_id is UNSET else msgspec.structs.replace(word, sentence_id=sentences[key])
            for key, word in given
        )


def _usage(item: SpeechItem) -> ours.DurationUsage | ours.TokenUsage:
    """Return what the service bills for the item, or its duration if the service does not say it."""
    given = [piece.usage for piece in item.pieces if piece.usage is not None]
    if any(usage.total_tokens is not None for usage in given):
        return ours.TokenUsage(
            total_tokens=sum(usage.total_tokens or 0 for usage in given),
            input_tokens=sum(usage.input_tokens for usage in given),
            output_tokens=sum(usage.output_tokens for usage in given),
        )
    return ours.DurationUsage(sum(usage.seconds or 0.0 for usage in given) if given else item.seconds)


class ItemEvents:
    """Reports items to the client. `open`: committed items without a result, in order. `reached`: the end of the last
    item, in ticks on the client's clock. `corrections` counts items whose transcript contradicts their deltas."""

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
        """A sentence of a joined turn: only its text is reported, as part of the turn's."""
        return SpeechItem(whole.id, start, whole)

    def started(self, item: SpeechItem, padding_ms: int) -> None:
        if item.started or item.committed or item.start is None or item.whole is not None:
            return
        item.started = True
        at_ms = max(item.start // TICKS_A_MS - padding_ms, self.reached // TICKS_A_MS)
        self._outbox.to_client(
            ours.SpeechStarted(event_id=self._outbox.event_id(), audio_start_ms=at_ms, item_id=item.id)
        )

    def stopped(self, item: SpeechItem) -> None:
        if item.stopped or item.end is None or not item.started:
            return
        item.stopped = True
        self.reached = max(item.end, item.start or 0, self.reached)
        at_ms = self.reached // TICKS_A_MS
        self._outbox.to_client(
            ours.SpeechStopped(event_id=self._outbox.event_id(), audio_end_ms=at_ms, item_id=item.id)
        )

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
        self._outbox.to_client(ours.Committed(event_id=event_id, previous_item_id=previous, item_id=item.id))
        self._announce(item, previous)
        self._past[item.id] = None
        if len(self._past) > self._remembered:
            del self._past[next(iter(self._past))]

    def cleared(self, tick: int) -> None:
        """The client dropped what it had not committed: no item begins before this position."""
        self.reached = max(self.reached, tick)
        self._outbox.to_client(ours.Cleared(event_id=self._outbox.event_id()))

    def _announce(self, item: SpeechItem, previous: str | None) -> None:
        shown = ours.Item(id=item.id)
        shapes = (ours.ItemCreated,) if self._dialect == "beta" else (ours.ItemAdded, ours.ItemDone)
        for shape in shapes:
            self._outbox.to_client(shape(event_id=self._outbox.event_id(), previous_item_id=previous, item=shown))

    def progress(self, item: SpeechItem) -> None:
        """Report as a delta what is new and final in the item's text."""
        item = item.whole or item
        if item.error is None:
            self._delta(item, item.deltas.grow(*item.preview(), item.final))

    def accompany(self, piece: ItemPiece, report: SourceText | Voice) -> None:
        """Report what is new in the source or the voice of a translation."""
        if isinstance(report, Voice):
            if fresh := piece.more_voice(report.pcm):
                self._outbox.to_client(VoiceDelta(piece.item.id, fresh))
            return
        deltas = piece.item.original
        delta = deltas.complete(report.text) if report.final else deltas.grow(report.text, report.stash)
        if delta or report.final:
            self._outbox.to_client(SourceDelta(piece.item.id, delta, done=report.final))

    def settle(self) -> None:
        """Report the result of every item that has one and whose predecessors have ended."""
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

    def retrieve(self, item_id: str) -> None:
        """Report an item once more. Raises NotFound."""
        self._check(item_id)
        item = ours.Item(id=item_id, content=(ours.Content(transcript=self._past[item_id]),))
        self._outbox.to_client(ours.ItemRetrieved(event_id=self._outbox.event_id(), item=item))

    def delete(self, item_id: str) -> None:
        """Forget an item. Raises NotFound."""
        self._check(item_id)
        del self._past[item_id]
        self._outbox.to_client(ours.ItemDeleted(event_id=self._outbox.event_id(), item_id=item_id))

    def _check(self, item_id: str) -> None:
        if item_id not in self._past:
            raise NotFound(f"There is no item '{item_id}'.", param="item_id", code="item_not_found")

    def _completed(self, item: SpeechItem) -> None:
        transcript = item.transcript
        delta, joined = item.deltas.end(transcript)
        self._delta(item, delta)
        self.completions += 1
        self.corrections += not joined
        if item.id in self._past:
            self._past[item.id] = transcript
        self._outbox.to_client(
            ours.Completed(
                event_id=self._outbox.event_id(),
                item_id=item.id,
                transcript=transcript,
                languages=(ours.Language(item.language),) if item.language else UNSET,
                usage=_usage(item),
                dashscope=ours.Hint(language=item.language, emotion=item.emotion, words=item.words or UNSET),
            )
        )

    def _failed(self, item: SpeechItem, error: CompatError) -> None:
        self._outbox.to_client(
            ours.Failed(event_id=self._outbox.event_id(), item_id=item.id, error=ours.Fault.of(error))
        )

    def _delta(self, item: SpeechItem, delta: str) -> None:
        if delta:
            hint = ours.Hint(stash=item.deltas.stash, language=item.language, emotion=item.emotion)
            self._outbox.to_client(
                ours.Delta(event_id=self._outbox.event_id(), item_id=item.id, delta=delta, dashscope=hint)
            )
