"""The connection to the service, without the connection: when to open, what to send next, when to begin again.

closed ──need──▶ opening ──opened──▶ open ──barrier, silence──▶ finishing ──finished──▶ closed
   ▲ ▲              │ lost             │ lost                      │ lost
   │ └── waiting ◀──┴──────────────────┴───────────────────────────┘
   └───────┘ (the delay is over)
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import assert_never

from compat.bridge.actions import CloseUpstream, OpenUpstream, Outbox
from compat.bridge.asked import SentCommits
from compat.bridge.items import ItemPiece
from compat.bridge.limits import TICKS, TICKS_A_MS, SessionLimits
from compat.bridge.replay import AudioChunk, Barrier, Cut, Entry, ReplayBuffer, after, needed, silent, without
from compat.bridge.timeline import Timeline
from compat.bridge.turns import TurnBinder
from compat.dashscope_api.realtime.turns import Dialect, Setup

_OPUS_SILENCE = b"\xf8\xff\xfe"
_OPUS_TICKS = 20 * TICKS_A_MS
_MARGIN_MS = 300
_WINDOWS = 480 * TICKS_A_MS
"""Whole windows of a voice activity detector that looks at 10, 15, 16, 20, 30 or 32 ms at a time."""


class LinkState(Enum):
    CLOSED = "closed"
    WAITING = "waiting"
    OPENING = "opening"
    OPEN = "open"
    FINISHING = "finishing"


class Link:
    """`since` is when the state was entered, `attempts` those in a row without progress."""

    def __init__(
        self,
        outbox: Outbox,
        replay: ReplayBuffer,
        binder: TurnBinder,
        setup: Setup,
        *,
        dialect: Dialect,
        limits: SessionLimits,
        spread: float,
        passed: Callable[[Barrier], None],
    ) -> None:
        self.state = LinkState.CLOSED
        self.since = 0.0
        self.setup = setup
        self.timeline = Timeline()
        self.attempts = 0
        self.reopened = 0
        self._told: Setup | None = None
        self._sent_commits = SentCommits(binder, limits)
        self._in_flight = 0
        self._origin = self._next = 0
        self._sent_to = self._accepted = self._high_water = self._doubted = 0
        self._retry_at = 0.0
        self._heard_at = 0.0
        self._heard_of = 0
        self._heard_by = 0.0
        self._busy_until = 0.0
        self._received = 0.0
        self._alive = False
        self._outbox = outbox
        self._replay = replay
        self._binder = binder
        self._dialect = dialect
        self._limits = limits
        self._spread = spread
        self._passed = passed

    @property
    def fresh(self) -> bool:
        """Whether this session of the service was sent no sound yet."""
        return self.timeline.sent == 0

    @property
    def quiet_since(self) -> float:
        """When this state was entered, or the service last said something in it."""
        return max(self.since, self._heard_at)

    @property
    def open(self) -> bool:
        return self.state is LinkState.OPEN

    @property
    def idle(self) -> bool:
        """Whether other settings cost no session: it does not exist, or was sent no sound."""
        return self.state in (LinkState.CLOSED, LinkState.WAITING) or (
            self.fresh and self.state is not LinkState.FINISHING
        )

    @property
    def heard_by(self) -> float:
        """When the service has heard everything it was sent, if it works in real time."""
        return self._heard_by

    def hears(self, now: float) -> bool:
        """Whether the service may still report speech in what it was sent."""
        self.trim(now)
        return self._binder.detecting and any(isinstance(entry, AudioChunk) for entry in self._replay.past)

    @property
    def owed(self) -> bool:
        """Whether the service has not answered something that ended."""
        if self._binder.detecting:
            return any(item.committed for item in self._binder.unfinished)
        return self._sent_commits.open

    # --- connecting -------------------------------------------------------------------------------------------------

    def need(self, now: float) -> None:
        """There is something to send, or soon will be."""
        if self.state is not LinkState.CLOSED:
            return
        if now < self._retry_at:
            self._enter(LinkState.WAITING, now)
        else:
            self._enter(LinkState.OPENING, now)
            self._outbox.act(OpenUpstream(self.setup.model, self.attempts))

    def opened(self, now: float) -> None:
        self._enter(LinkState.OPEN, now)
        self._heard_at = now
        self._tell()
        self.feed(now)

    def lost(self, now: float, wish: float = 0.0) -> None:
        """The connection broke, or could not be made: what was not answered is sent again over the next one, which is
        not tried before the delay that the service wishes."""
        delay = min(self._limits.first_delay * 2**self.attempts, self._limits.longest_delay)
        wish = min(wish, self._limits.longest_wish)
        self._retry_at = now + max(wish, delay * (0.75 + self._spread / 2) if self.attempts else 0.0)
        self.attempts += 1
        self.reopened += 1
        self._again(now)

    def restart(self, now: float) -> None:
        """Begin again at once: the service was told something that it does not take."""
        self._outbox.act(CloseUpstream())
        self._again(now)
        self.need(now)

    def finished(self, now: float) -> None:
        """The service answered everything it was sent and ended its session. The next begins when it is needed."""
        # Of turns by hand, what is not committed yet is sent again.
        self._binder.finished(self._next if self._binder.detecting else 0)
        self._outbox.act(CloseUpstream())
        self._again(now)

    def switch(self, setup: Setup, now: float) -> None:
        """From here on this is what the service is told; it was sent no sound yet."""
        moved, self.setup = setup.model != self.setup.model, setup
        if moved and self.state in (LinkState.OPENING, LinkState.OPEN):
            self._outbox.act(CloseUpstream())
            self._enter(LinkState.CLOSED, now)
            self.need(now)
        elif self.state is LinkState.OPEN and setup != self._told:
            self._tell()

    def renew(self, setup: Setup, now: float) -> None:
        """Use these settings from here on; audio without an answer is sent again under them."""
        if self.idle:
            self.switch(setup, now)
        else:
            self.setup = setup
            self.restart(now)

    def gone(self, now: float) -> None:
        """There is no connection any more."""
        self._enter(LinkState.CLOSED, now)

    def hang_up(self, now: float) -> None:
        """For good, and without another word."""
        if self.state in (LinkState.OPENING, LinkState.OPEN, LinkState.FINISHING):
            self._outbox.act(CloseUpstream())
        self._enter(LinkState.CLOSED, now)

    def _again(self, now: float) -> None:
        self._replay.rewind(self._unanswered(now))
        if not self._replay.unsent:
            self._binder.give_up()
        self._binder.lost()
        self._enter(LinkState.CLOSED, now)
        self.timeline = Timeline()
        self._told, self._in_flight, self._next = None, 0, 0
        self._sent_commits.forget()
        self._alive, self._heard_of, self._received, self._busy_until, self._heard_by = False, 0, 0.0, 0.0, 0.0
        self.feed(now)
        if self._urgent:
            self.need(now)

    def _unanswered(self, now: float) -> list[Entry]:
        self.trim(now)
        if not self._binder.detecting:
            return [entry for entry in self._replay.past if needed(entry)]
        return without(after(self._replay.past, self._binder.answered_to), self._binder.out_of_order)

    def trim(self, now: float) -> None:
        """Forget the sound that no replay will need."""
        if not self._binder.detecting:
            self._replay.trim(lambda entry: not needed(entry))
            return
        earliest, answered = self._binder.earliest, self._binder.answered_to
        if earliest is None:
            heard, received = now - self._limits.heard_after, max(self._received, now - self._limits.received_after)
            self._replay.trim(lambda entry: silent(entry, answered, heard, received))
        else:
            before = max(answered, earliest - TICKS)
            self._replay.trim(lambda entry: not isinstance(entry, AudioChunk) or entry.end <= before)
        self._replay.bound(round(self._limits.kept * TICKS))

    @property
    def _urgent(self) -> bool:
        """Whether somebody waits: not over the sound of a manual turn that is still open, whose caller may be away."""
        if self._binder.detecting:
            return bool(self._replay.future)
        return any(not isinstance(entry, AudioChunk) for entry in self._replay.future)

    def _enter(self, state: LinkState, now: float) -> None:
        self.state, self.since = state, now

    # --- the clock --------------------------------------------------------------------------------------------------

    def heard(self, now: float) -> None:
        """The service said something that is no complaint."""
        self._sent_commits.heard(now)
        self._heard_at, self._heard_of, self._alive = now, self.timeline.sent, True
        self._progress()

    def received(self, sent_at: float) -> None:
        """What was sent until then has reached the service."""
        self._received, self._alive = sent_at, True
        self._progress()

    def drained(self, now: float) -> None:
        """Everything sent so far has left this machine."""
        self._in_flight = 0
        self._accepted = self._sent_to
        self._progress()
        self.feed(now)

    def _progress(self) -> None:
        if self._alive and self._accepted > self._high_water:
            self._high_water = self._accepted
            self.attempts = 0

    @property
    def deadline(self) -> float | None:
        match self.state:
            case LinkState.OPEN:
                return self._answer_due
            case LinkState.CLOSED | LinkState.OPENING:
                return None
            case LinkState.WAITING:
                return self._retry_at
            case LinkState.FINISHING:
                # What was sent faster than it was spoken may take as long to hear as it lasts.
                return max(self.since, self._heard_at, self._busy_until) + self._limits.finishing
            case _:
                assert_never(self.state)

    @property
    def _answer_due(self) -> float | None:
        if self.owed:
            patience = self._limits.stalled if self._binder.detecting else self._sent_commits.patience
            return max(self._heard_at, self._sent_commits.at) + patience
        if not self._binder.speaking:
            return None
        if self.timeline.sent - self._heard_of > self._limits.stalled * TICKS:
            return self._heard_at + self._limits.stalled
        if self._sent_to > self._doubted or not self._binder.following:
            # The caller may have stopped sending in mid-turn: what it sent is heard once more, to be sure.
            return max(self._heard_at, self._heard_by) + self._limits.stalled
        return None

    def overdue(self, now: float) -> bool:
        """Do what is due. True where the service has to be given up as lost: it hangs, maybe mid-word."""
        if self.deadline is None or now < self.deadline:
            return False
        if self.state is LinkState.WAITING:
            self.state = LinkState.CLOSED
            self.need(now)
            return False
        if self.state is LinkState.OPEN and not self._binder.following:
            self.finish(now)
            return False
        self._doubted = self._sent_to
        return True

    # --- sending ----------------------------------------------------------------------------------------------------

    def feed(self, now: float) -> None:
        """Send what can be sent now. A commit without an answer, or a session that is ending, holds back the rest."""
        while self._replay.future and self.state is not LinkState.FINISHING:
            entry = self._replay.future[0]
            if isinstance(entry, Barrier) and self.fresh:
                self._replay.pop()
                self._passed(entry)
            elif (
                self.state is LinkState.OPEN
                and self._in_flight < self._limits.in_flight_bytes
                and not self._sent_commits.unheard
            ):
                self._send(entry, now)
            else:
                return

    def _send(self, entry: Entry, now: float) -> None:
        match entry:
            case Barrier():
                self.finish(now)
                return
            case AudioChunk():
                self._sound(entry, now)
            case Cut():
                self._cut(entry.piece, now)
            case _:
                assert_never(entry)
        self._replay.sent()

    def _sound(self, sound: AudioChunk, now: float) -> None:
        if sound.piece is not None:
            self._binder.feed(sound.piece)
        else:
            self._keep_step(sound.tick)
        self._append(sound.data)
        self.timeline.sound(sound.tick, sound.ticks)
        self._next = sound.end
        self._sent_to = max(self._sent_to, sound.end)
        self._heard_by = sound.heard_by = max(self._heard_by, now) + sound.ticks / TICKS
        self._busy_until = max(self._busy_until, now) + sound.ticks / TICKS
        sound.sent_at = now

    def _append(self, data: bytes) -> None:
        self._in_flight += len(data)
        size = self._limits.frame_bytes
        frames = [data] if len(data) <= size else [data[at : at + size] for at in range(0, len(data), size)]
        for frame in frames:
            self._outbox.send(self._dialect.append(frame, self._outbox.event_id()))

    def _keep_step(self, tick: int) -> None:
        """Silence of our own before sound that does not continue what was sent: turns that were apart stay apart, and
        what is sent again falls on the windows of the service's detector as it did the first time, so that the same
        sound is recognised again. A turn's end already is the end of such a window, to the millisecond."""
        if self.fresh:
            step = _WINDOWS if tick > self._binder.answered_to else TICKS_A_MS
            lead = (tick - self._origin) % step if tick < self._sent_to else 0
            self._origin = tick - lead
            self._silence(tick, lead)
        elif tick != self._next:
            pause = ((self.setup.detection.silence_ms if self.setup.detection else 0) + _MARGIN_MS) * TICKS_A_MS
            self._silence(self._next, pause + (tick - self._next - pause) % _WINDOWS)

    def _silence(self, tick: int, ticks: int) -> None:
        if self.setup.format == "opus":
            ticks -= ticks % _OPUS_TICKS
            for _ in range(0, ticks, _OPUS_TICKS):
                self._append(_OPUS_SILENCE)
        elif ticks:
            self._append(bytes(2 * (self.setup.rate * ticks // TICKS)))
        if ticks:
            self.timeline.silence(tick, ticks)

    def _cut(self, piece: ItemPiece, now: float) -> None:
        if piece.resolved:
            return
        self._binder.feed(piece)
        commit = self._outbox.ids("commit")
        self._sent_commits.add(piece, commit, now)
        self._outbox.send(self._dialect.commit(commit))

    def refused(self, about: str) -> ItemPiece | None:
        """The piece whose commit, of this id where the service says one, it does not take."""
        return self._sent_commits.refused(about)

    def finish(self, now: float) -> None:
        """Have the service answer everything it was sent."""
        self._binder.set_aside()
        self._enter(LinkState.FINISHING, now)
        self._outbox.send(self._dialect.finish(self._outbox.event_id()))

    def _tell(self) -> None:
        self._told = self.setup
        self._outbox.send(self._dialect.setup(self.setup, self._outbox.ids("setup")))
