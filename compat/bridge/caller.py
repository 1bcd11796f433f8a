"""The client's side of a session: handles its events, and adds its audio to the replay buffer.

New settings apply from the next turn. `_retarget` chooses how, depending on the current turn:

- Between turns, and when the audio format changes, a `switch` barrier applies them at once. A change of format ends the
  current turn.
- During a turn they wait in `SettingsSwitch`: until the client's commit (`_settle`) if the client ends the turn, or
  until a position that `SettingsSwitch` finds if the service ends it.
- If they enable turn detection during a manual turn, the turn is dropped, and the service detects turns in its audio
  (`_yield`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from compat.bridge.face import ClientEvent
from compat.bridge.intake import Intake, OpusPackets, Sound
from compat.bridge.items import ItemEvents, ItemPiece, SpeechItem
from compat.bridge.limits import TICKS, SessionLimits
from compat.bridge.manual import JoinedTurn, ManualTurn
from compat.bridge.outbox import Outbox
from compat.bridge.replay import AudioChunk, Barrier, Cut, Entry, ReplayBuffer, Revision, outside, split
from compat.bridge.settings import Configuration, Target
from compat.bridge.switching import SettingsSwitch
from compat.bridge.turns import TurnBinder
from compat.dashscope_api.live.turns import Field
from compat.errors import BadRequest
from compat.openai_api.realtime import client_events as theirs
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.translations import client_events as translating


class CallerSide:
    """The state of the client's side.

    `over_bound` is set when the client exceeds the bound of unsent audio. No sound is taken beyond the tick `allowed`;
    `spent` is set when more came, and `leaving` when the client ends the session. `filled`: ticks of silence that it
    did not send. `_turn` is the current turn, if the client ends it. `_behind` holds ended manual turns that are not
    reported yet, because detected turns come before them, each with the barrier that it waits for. `_mark` is the end
    of the last commit or clear, in ticks on the client's clock. `rest` is the unprocessed part of the last append.
    """

    def __init__(
        self,
        config: Configuration,
        outbox: Outbox,
        items: ItemEvents,
        binder: TurnBinder,
        replay: ReplayBuffer,
        switch: SettingsSwitch,
        limits: SessionLimits,
    ) -> None:
        self._config = config
        self._outbox = outbox
        self._items = items
        self._binder = binder
        self._replay = replay
        self._settings = switch
        self._limits = limits
        self._intake = self._new_intake()
        self._turn: ManualTurn | JoinedTurn | None = None
        self._behind: deque[tuple[Barrier | None, SpeechItem]] = deque()
        self._mark = 0
        self.rest: bytes | memoryview = b""
        self.over_bound = False
        self.allowed: int | None = None
        self.spent = False
        self.leaving = False
        self.filled = 0

    @property
    def seconds(self) -> float:
        """Duration of the sound that the client has sent."""
        return (self._intake.position - self.filled) / TICKS

    # --- configuration ----------------------------------------------------------------------------------------------

    def open(self, patches: Sequence[Patch]) -> None:
        """Send the first event, and then the error of the query's model, if any."""
        error = self._config.open(patches)
        self._intake = self._new_intake()
        self._retarget()
        self._config.greet()
        if error is not None:
            self._outbox.error(error)

    def _update(self, patch: Patch) -> None:
        self._config.update(patch)
        form, rate = self._config.session.sound, self._config.target.setup.rate
        if (form, rate) != (self._intake.form, self._intake.rate):
            self._flush()
            self._intake = self._new_intake(self._intake.position)
        self._retarget()

    def _new_intake(self, position: int = 0, packets: OpusPackets | None = None) -> Intake:
        return Intake(self._config.session.sound, self._config.target.setup.rate, position, packets)

    def refuse(self, field: Field) -> None:
        """The service refuses this field of a Setup: leave it out from now on."""
        self._config.refuse(field)
        self._settings.without(self._config.refused)
        self._replay.revise(lambda setup: self._config.takeable(Target(setup)).setup)
        self._config.tell()

    def _retarget(self) -> None:
        """Apply new settings from the next turn; see the module's docstring."""
        vad, target = self._config.session.vad, self._config.target
        self._config.check_vocabulary()
        self._binder.set_padding(vad.prefix_padding_ms if vad else 0)
        if target == self._settings.last:
            return
        if target.cuts(self._settings.target):
            if self._turn is not None:
                self._end_turn()
            self._flush()
            self._switch(target)
        elif not target.by_hand and isinstance(self._turn, ManualTurn):
            self._yield(self._turn, target)
        elif not target.by_hand and self._turn is not None:
            self._settings.clear()
            self._settings.postpone(self._intake.converted, target)
        elif self._turn is None and not self._settings.waits and target.revises(self._settings.last):
            self._settings.use(target)
            self._replay.add(Revision(target.setup))
        elif self._turn is not None or (not self._settings.target.by_hand and self._intake.position > self._mark):
            self._settings.postpone(self._intake.converted, target)
        else:
            self._switch(target)

    def _switch(self, target: Target, at: int | None = None) -> None:
        self._settings.clear()
        self._settings.use(target)
        self._mark = self._intake.position if at is None else at
        self._replay.add(Barrier(why="switch", tick=self._mark, target=target))

    def _yield(self, turn: ManualTurn, target: Target) -> None:
        """Drop a manual turn and let the service detect turns in its audio.

        Pieces that were already cut off, because the turn is longer than the service accepts, remain an item.
        """
        self._turn = None
        piece, unsent = turn.leave()
        sounds = [*self._replay.take_back(piece), *unsent]
        start = sounds[0].tick if sounds else self._intake.converted
        self._binder.forget(piece)
        turn.item.remove(piece)
        if turn.item.pieces:
            turn.item.close(start)
            self._behind.append((self._switches(), turn.item))
            self.passed(None)
        self._switch(target, start)
        for sound in sounds:
            self._replay.add(sound)

    def renew(self, target: Target) -> None:
        """Apply pending settings: no turn is open, and all sound without an answer is in the replay buffer again. If
        the client ends its turns from here on, that sound belongs to its next turn."""
        by_hand = target.by_hand and not (self._settings.target.joins and target.joins)
        if self._turn is not None and not target.joins:
            self._close(self._turn.item)
        self._settings.use(target)
        self._binder.configure(target)
        if by_hand:
            self._mark = self._binder.heard_to
            for sound in self._replay.reclaim(self._binder.answered_to):
                self._add(sound)

    def _close(self, item: SpeechItem) -> None:
        """End a joined turn with its last sentence. Without a sentence there was no turn."""
        self._turn, self._mark = None, self._binder.heard_to
        if not item.transcript:
            self._binder.withdraw(item)
            return
        item.end_at(self._mark)
        self._items.commit(item)
        self._binder.join(item)

    # --- events -----------------------------------------------------------------------------------------------------

    def serve(self, event: ClientEvent | Sound) -> None:
        """Handle an event. Raises the CompatError to send if that fails."""
        match event:
            case Sound():
                self._take_sound(event.pcm)
            case theirs.Append():
                self._append(event.audio)
            case theirs.Commit():
                self._commit()
            case theirs.Clear():
                self._clear()
            case theirs.SessionUpdate() | theirs.TranscriptionSessionUpdate():
                self._update(event.session)
            case translating.TranslationUpdate() | translating.TranslationClose():
                self._translate(event)
            case theirs.Retrieve():
                self._items.retrieve(event.item_id)
            case theirs.Delete():
                self._items.delete(event.item_id)
            case _:
                raise theirs.unanswerable(event)

    def _translate(self, event: translating.TranslationUpdate | translating.TranslationClose) -> None:
        if isinstance(event, translating.TranslationClose):
            self.leaving = True
            return
        self._outbox.face.update(event.session, self._intake.position * 1000 // TICKS)
        self._config.tell()
        self._retarget()

    def _take_sound(self, sound: bytes) -> None:
        """Take audio of a call's track."""
        self.over_bound = self._replay.unsent >= self._limits.unsent * TICKS
        self.rest = sound
        while self.rest:
            self.take()

    def _append(self, audio: bytes) -> None:
        if self._config.session.track is not None:
            raise BadRequest(
                "The audio of a call is that of its track: audio in events is for WebSocket sessions.",
                param="type",
                code="unsupported_event",
            )
        self.over_bound = self._replay.unsent >= self._limits.unsent * TICKS
        self.rest = audio
        try:
            self.take()
        except BadRequest:
            self.rest = b""
            raise

    def take(self) -> None:
        """Take a bounded piece of the last append."""
        opus = self._intake.form.encoding == "opus"
        size = self._intake.packets.most(self.rest) if opus else self._limits.piece_bytes
        piece, self.rest = self.rest, b""
        if len(piece) > size:
            whole = memoryview(piece)
            piece, self.rest = whole[:size], whole[size:]
        for part in self._intake.parts(bytes(piece)):
            until = None if self.allowed is None else self.allowed + self.filled
            fitting = part if until is None else self._intake.fitting(part, until)
            tick = self._intake.converted
            data = self._intake.feed(fitting)
            self._put(tick, self._intake.converted - tick, data)
            if len(fitting) < len(part):
                self.spent, self.rest = True, b""
                break

    def fill(self, seconds: float) -> None:
        """Go on with silence."""
        before, tick = self._intake.position, self._intake.converted
        data = self._intake.feed(bytes(2 * round(seconds * self._intake.form.rate)))
        self.filled += self._intake.position - before
        self._put(tick, self._intake.converted - tick, data)

    def most(self, size: int) -> float:
        """Return an upper bound of the seconds in the next piece of an append of `size` bytes."""
        return self._intake.most(min(size, self._limits.piece_bytes))

    def _put(self, tick: int, ticks: int, data: bytes) -> None:
        if data:
            sound = AudioChunk(tick, ticks, data, self._intake.form.encoding == "opus")
            for part in (sound,) if len(data) <= self._limits.frame_bytes else split(sound, self._limits.frame_bytes):
                self._add(part)

    def _add(self, sound: AudioChunk) -> None:
        if self._settings.target.by_hand and self._turn is None:
            self._turn = self._begin_turn(sound)
        (self._turn or self._replay).add(sound)

    def _begin_turn(self, sound: AudioChunk) -> ManualTurn | JoinedTurn:
        item = self._items.new(sound.tick)
        if self._settings.target.joins:
            return JoinedTurn(item, self._replay, self._binder)
        return ManualTurn(item, self._replay, self._limits, None if sound.packet else self._intake.rate)

    def _flush(self) -> None:
        tick = self._intake.converted
        data = self._intake.flush()
        self._put(tick, self._intake.ticks(data), data)

    def _commit(self) -> None:
        begin = self._mark if self._settings.target.by_hand else max(self._mark, self._binder.heard_to)
        seconds = (self._intake.position - begin) / TICKS
        if seconds < self._limits.shortest_commit:
            raise BadRequest(
                f"The input audio buffer holds {max(seconds, 0) * 1000:.0f} ms of audio; a commit needs at least "
                f"{self._limits.shortest_commit * 1000:.0f} ms.",
                code="input_audio_buffer_commit_empty",
            )
        self._flush()
        if self._settings.target.by_hand:
            self._end_turn()
        else:
            self._mark = self._intake.position
            self._replay.add(Barrier(why="commit", tick=self._mark))
        self._settle()

    def _end_turn(self) -> None:
        self._flush()
        self._mark = self._intake.position
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.end(self._mark)
            self._behind.append((self._switches(), turn.item))
            self.passed(None)

    def _settle(self) -> None:
        """A turn ended here: pending settings apply from here on."""
        if self._settings.waits:
            self._switch(self._settings.last)

    def pause(self) -> bool:
        """The service needs sound or the end of its session. True if a turn that the client ends goes on later."""
        if not isinstance(self._turn, ManualTurn):
            return False
        self._turn.pause()
        return True

    @property
    def turn_open(self) -> bool:
        """Whether a turn is open that only the client ends."""
        return self._turn is not None

    def end_session(self) -> None:
        """The session ends: end what is open."""
        if self._settings.target.by_hand:
            self._end_turn()
        else:
            self._flush()
            self._mark = self._intake.position
            self._replay.add(Barrier(why="end", tick=self._mark))

    def _switches(self) -> Barrier | None:
        """The last barrier in the buffer where turns by hand begin after detected ones."""
        detected, last = self._binder.detecting and not self._binder.joining, None
        for entry in self._replay.future:
            if isinstance(entry, Barrier) and entry.target is not None:
                last = entry if detected and entry.target.by_hand else last
                detected = not entry.target.by_hand
        return last

    def passed(self, barrier: Barrier | None) -> None:
        """Report the ended turns by hand that wait for no other barrier."""
        while self._behind and self._behind[0][0] in (None, barrier):
            _, item = self._behind.popleft()
            self._items.commit(item)
            self._items.progress(item)
        self._items.settle()

    def give_up(self) -> None:
        """Report all ended turns by hand: no barrier is passed any more."""
        for _, item in self._behind:
            self._items.commit(item)
        self._behind.clear()

    def _clear(self) -> None:
        self._intake = self._new_intake(self._intake.position, self._intake.packets)
        self._mark = self._intake.position
        ended = ("commit", "join")
        commits = [entry.tick for entry in self._replay.future if isinstance(entry, Barrier) and entry.why in ended]
        commits += [barrier.tick for barrier, _ in self._behind if barrier is not None]
        waits = bool(commits)
        sent = self._replay.drop(self._committed(max([self._binder.committed_to, *commits])))
        heard = sent or self._binder.speaking
        if self._turn is not None:
            self._binder.withdraw(self._turn.item)
            self._turn = None
        if not waits:
            self._binder.drop(self._mark, ignoring=sent)
            self._items.cleared(self._mark)
        if heard or waits:
            self._replay.add(Barrier(why="clear", tick=self._mark, announced=not waits))
        self._settle()

    def _committed(self, until: int) -> Callable[[Entry], list[Entry]]:
        """Returns a function for what stays of an entry when the client drops what it has not committed. Detected
        turns are committed up to this tick, turns by hand except the open one."""
        item = self._turn and self._turn.item

        def rest(entry: Entry) -> list[Entry]:
            match entry:
                case AudioChunk(piece=None):
                    return outside(entry, until, self._mark)
                case AudioChunk(piece=ItemPiece(item=owner)) | Cut(piece=ItemPiece(item=owner)) if owner is item:
                    return []
                case _:
                    return [entry]

        return rest
