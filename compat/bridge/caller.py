"""What the caller says, and what it means for the tape."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import assert_never

import msgspec

from compat.bridge.hearing import Hearing
from compat.bridge.intake import Intake
from compat.bridge.items import Item, Piece
from compat.bridge.ledger import Ledger
from compat.bridge.limits import TICKS, Limits
from compat.bridge.manual import ManualTurn
from compat.bridge.outbox import Outbox
from compat.bridge.setup import setup
from compat.bridge.tape import Barrier, Cut, Entry, Sound, Tape, outside, split
from compat.dashscope_api.realtime.turns import Setup
from compat.errors import BadRequest, CompatError, NotFound
from compat.openai_api.realtime import client_events as theirs
from compat.openai_api.realtime import server_events as ours
from compat.openai_api.realtime.opening import Opening
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.realtime.session import Session, apply
from compat.openai_api.realtime.views import Applied, SessionView, view

DEFAULT_MODEL = "qwen3-asr-flash-realtime"
_VOICE_MODEL = re.compile(r"gpt-.*(realtime|audio).*")
_FIELDS = {"context": "transcription.prompt", "language": "transcription.language"}


class Caller:
    """`target` is what the service will be told once it has heard everything before; `refused` names the fields of a
    Setup that the service does not take."""

    def __init__(
        self,
        opening: Opening,
        outbox: Outbox,
        ledger: Ledger,
        hearing: Hearing,
        tape: Tape,
        *,
        resolve: Callable[[str], str],
        expires_at: int,
        limits: Limits,
    ) -> None:
        self.session = Session(transcription=opening.transcription, native=DEFAULT_MODEL)
        self.target = setup(self.session)
        self.refused: frozenset[str] = frozenset()
        self._opening = opening
        self._id = outbox.ids("sess")
        self._outbox = outbox
        self._ledger = ledger
        self._hearing = hearing
        self._tape = tape
        self._resolve = resolve
        self._expires_at = expires_at
        self._limits = limits
        self._intake = Intake(self.session.format)
        self._turn: ManualTurn | None = None
        self._behind: deque[tuple[Barrier | None, Item]] = deque()
        self._pending: Setup | None = None
        self._mark = 0

    @property
    def seconds(self) -> float:
        return self._intake.position / TICKS

    # --- configuration ----------------------------------------------------------------------------------------------

    def open(self, configured: Patch | None) -> None:
        """The first event: what the query and an ephemeral key configure. What is wrong with it is told after."""
        error = self._named(self._opening.model)
        if configured is not None:
            self.session = apply(self.session, configured, self._resolve)
        self._intake = Intake(self.session.format)
        self._retarget()
        shape = ours.TranscriptionSessionCreated if self._opening.beta_names else ours.SessionCreated
        self._outbox.say(shape(event_id=self._outbox.event_id(), session=self._view()))
        if error is not None:
            self._outbox.fault(error)

    def _named(self, model: str | None) -> CompatError | None:
        """The model of the query: one that transcribes, or a voice model, whose name is kept and nothing more."""
        if model is None:
            return None
        try:
            native = self._resolve(model)
        except CompatError as error:
            if not _VOICE_MODEL.fullmatch(model):
                return type(error)(error.message, param="model", code=error.code)
            self.session = msgspec.structs.replace(self.session, voice_model=model)
        else:
            self.session = msgspec.structs.replace(self.session, model=model, native=native)
        return None

    def _update(self, patch: Patch) -> None:
        before, self.session = self.session, apply(self.session, patch, self._resolve)
        self.tell()
        if self.session.format != before.format:
            self._flush()
            self._intake = Intake(self.session.format, self._intake.position)
        self._retarget()

    def tell(self) -> None:
        """What is applied from now on."""
        shape = ours.TranscriptionSessionUpdated if self._opening.beta_names else ours.SessionUpdated
        self._outbox.say(shape(event_id=self._outbox.event_id(), session=self._view()))

    def refuse(self, field: str) -> None:
        """The service does not take this field of a Setup."""
        self.refused |= {field}
        self.target = self.takeable(self.target)
        self._pending = self._pending and self.takeable(self._pending)
        self.tell()

    def takeable(self, said: Setup) -> Setup:
        """A Setup without what the service refused before."""
        return msgspec.structs.replace(
            said,
            context="" if "context" in self.refused else said.context,
            language=None if "language" in self.refused else said.language,
        )

    def _retarget(self) -> None:
        """New settings hold from the next turn on; a turn that they cannot leave as it is ends here."""
        vad, target = self.session.vad, self.takeable(setup(self.session))
        self._hearing.padding_ms = vad.prefix_padding_ms if vad else 0
        shape = (target.format, target.rate, target.detection is None)
        if self._turn is not None and shape == (self.target.format, self.target.rate, self.target.detection is None):
            self._pending = target if target != self.target else None
            return
        if target == self.target:
            return
        if self._turn is not None:
            self._end_turn()
        elif self._intake.position > self._mark:
            self._flush()
        self._switch(target)

    def _switch(self, target: Setup) -> None:
        self.target, self._pending, self._mark = target, None, self._intake.position
        self._tape.add(Barrier(why="switch", tick=self._mark, setup=target))

    def _view(self) -> SessionView:
        detection = setup(self.session).detection
        applied = Applied(
            model=self.session.native,
            threshold=detection.threshold if detection else None,
            silence_duration_ms=detection.silence_ms if detection else None,
            live_deltas=self.session.live_deltas,
            ignored=tuple(sorted(self.session.ignored | {_FIELDS[field] for field in self.refused})),
        )
        return view(self.session, self._opening, self._id, self._expires_at, applied)

    # --- events -----------------------------------------------------------------------------------------------------

    def serve(self, event: theirs.ClientEvent) -> None:
        """Raises the CompatError that answers an event which cannot be served."""
        match event:
            case theirs.Append():
                self._append(event.audio)
            case theirs.Commit():
                self._commit()
            case theirs.Clear():
                self._clear()
            case theirs.SessionUpdate() | theirs.TranscriptionSessionUpdate():
                self._update(event.session)
            case theirs.Retrieve():
                self._retrieve(event.item_id)
            case theirs.Delete():
                self._delete(event.item_id)
            case (
                theirs.Truncate()
                | theirs.CreateItem()
                | theirs.CreateResponse()
                | theirs.CancelResponse()
                | theirs.ClearOutput()
            ):
                raise BadRequest(
                    "This server transcribes and never answers: there are no responses, and no items but the caller's "
                    "own speech.",
                    param="type",
                    code="unsupported_event",
                )
            case _:
                assert_never(event)

    def _append(self, audio: bytes) -> None:
        tick = self._intake.heard
        self._put(tick, self._intake.feed(audio))

    def _put(self, tick: int, data: bytes) -> None:
        if not data:
            return
        packet = self._intake.form.encoding == "opus"
        if self._manual and self._turn is None:
            rate = None if packet else self._intake.rate
            self._turn = ManualTurn(self._ledger.new(tick), self._tape, self._limits, rate)
        for sound in split(Sound(tick, self._intake.ticks(data), data, packet), self._limits.frame_bytes):
            (self._turn or self._tape).add(sound)

    @property
    def _manual(self) -> bool:
        return self.target.detection is None

    def _flush(self) -> None:
        tick = self._intake.heard
        self._put(tick, self._intake.flush())

    def _commit(self) -> None:
        begin = self._mark if self._manual else max(self._mark, self._hearing.heard_to)
        seconds = (self._intake.position - begin) / TICKS
        if seconds < self._limits.shortest_commit:
            raise BadRequest(
                f"The input audio buffer holds {max(seconds, 0) * 1000:.0f} ms of audio; a commit needs at least "
                f"{self._limits.shortest_commit * 1000:.0f} ms.",
                code="input_audio_buffer_commit_empty",
            )
        self._flush()
        if self._manual:
            self._end_turn()
        else:
            self._mark = self._intake.position
            self._tape.add(Barrier(why="commit", tick=self._mark))

    def _end_turn(self) -> None:
        self._flush()
        self._mark = self._intake.position
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.end(self._mark)
            self._behind.append((self._switches(), turn.item))
            self.passed(None)
        if self._pending is not None:
            self._switch(self._pending)

    @property
    def holding(self) -> bool:
        """Whether there is sound of a turn that only the caller ends."""
        return self._turn is not None

    def part(self) -> None:
        """The session ends, and with it what is open."""
        if self._manual:
            self._end_turn()
        else:
            self._flush()
            self._mark = self._intake.position
            self._tape.add(Barrier(why="end", tick=self._mark))

    def _switches(self) -> Barrier | None:
        """The last place, not passed yet, where detected turns give way to manual ones."""
        detecting, last = self._hearing.detecting, None
        for entry in self._tape.future:
            if isinstance(entry, Barrier) and entry.setup is not None:
                last = entry if detecting and entry.setup.detection is None else last
                detecting = entry.setup.detection is not None
        return last

    def passed(self, barrier: Barrier | None) -> None:
        """Tell of the manual turns that have ended and wait for nothing but this."""
        while self._behind and self._behind[0][0] in (None, barrier):
            _, item = self._behind.popleft()
            self._ledger.commit(item)
            self._ledger.progress(item)
        self._ledger.settle()

    def give_up(self) -> None:
        """Nothing is passed any more."""
        for _, item in self._behind:
            self._ledger.commit(item)
        self._behind.clear()

    def _clear(self) -> None:
        self._intake = Intake(self.session.format, self._intake.position)
        self._mark = self._intake.position
        commits = [entry.tick for entry in self._tape.future if isinstance(entry, Barrier) and entry.why == "commit"]
        commits += [barrier.tick for barrier, _ in self._behind if barrier is not None]
        waits = bool(commits)
        sent = self._tape.drop(self._committed(max([self._hearing.committed_to, *commits])))
        heard = sent or self._hearing.speaking
        if self._turn is not None:
            self._hearing.withdraw(self._turn.item)
            self._turn = None
        if not waits:
            self._hearing.drop(deaf=sent)
            self._outbox.say(ours.Cleared(event_id=self._outbox.event_id()))
        if heard or waits:
            self._tape.add(Barrier(why="clear", tick=self._mark, announced=not waits))
        if self._pending is not None:
            self._switch(self._pending)

    def _committed(self, until: int) -> Callable[[Entry], list[Entry]]:
        """What stays of an entry of the tape when the caller drops what he has not committed: detected turns are
        committed up to this tick, manual ones but for the last."""
        item = self._turn and self._turn.item

        def rest(entry: Entry) -> list[Entry]:
            match entry:
                case Sound(piece=None):
                    return outside(entry, until, self._mark)
                case Sound(piece=Piece(item=owner)) | Cut(piece=Piece(item=owner)) if owner is item:
                    return []
                case _:
                    return [entry]

        return rest

    def _retrieve(self, item_id: str) -> None:
        item = self._ledger.retrieve(item_id)
        if item is None:
            raise NotFound(f"There is no item '{item_id}'.", param="item_id", code="item_not_found")
        self._outbox.say(ours.ItemRetrieved(event_id=self._outbox.event_id(), item=item))

    def _delete(self, item_id: str) -> None:
        if not self._ledger.forget(item_id):
            raise NotFound(f"There is no item '{item_id}'.", param="item_id", code="item_not_found")
        self._outbox.say(ours.ItemDeleted(event_id=self._outbox.event_id(), item_id=item_id))
