"""The state of the connection to the service: when to connect, what to send next, when to reconnect.

closed ──need──▶ opening ──opened──▶ ready ──▶ open ──barrier, silence──▶ finishing ──finished──▶ closed, or ready
   ▲ ▲              │ lost             │ lost    │ lost                      │ lost
   │ └── waiting ◀──┴──────────────────┼─────────┴───────────────────────────┘
   │       │ (the delay is over)       │
   └───────┴───────────────────────────┘

A connection carries one session of the service, or several if the protocol allows it; in `ready` it has none. Finishing
a session is the only way to have everything answered, so it happens at every barrier; sound after the barrier goes to
the next session. Whenever a session is gone, for whatever reason, `_again` puts what is not answered back to the front
of the replay buffer and starts over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from compat.bridge.actions import CloseUpstream, OpenUpstream
from compat.bridge.items import ItemPiece
from compat.bridge.limits import TICKS, SessionLimits
from compat.bridge.outbox import Outbox
from compat.bridge.replay import AudioChunk, Barrier, Cut, Entry, ReplayBuffer, Revision, after, needed, without
from compat.bridge.retries import Retries
from compat.bridge.sending import Sender
from compat.bridge.states import CONNECTED, LinkState
from compat.bridge.timeline import Timeline
from compat.bridge.turns import TurnBinder
from compat.dashscope_api.live.protocols import dialect
from compat.dashscope_api.live.turns import Setup
from compat.errors import CompatError


class Link:
    """`setup`: the settings that the service has, or gets when it is connected. `since`: when `state` was entered.
    `_used`: the connection has carried a session."""

    def __init__(
        self,
        outbox: Outbox,
        replay: ReplayBuffer,
        binder: TurnBinder,
        setup: Setup,
        *,
        limits: SessionLimits,
        spread: float,
        fallback: bool,
        passed: Callable[[Barrier, float], None],
    ) -> None:
        self.setup = setup
        self.state, self.since = LinkState.CLOSED, 0.0
        self._retries = Retries()
        self._spoke_at = 0.0
        self._used = False
        self.dialect = dialect(setup.model)
        self._sender = Sender(outbox, binder, self.dialect, limits)
        self._outbox, self._replay, self._binder = outbox, replay, binder
        self._limits, self._spread, self._fallback, self._passed = limits, spread, fallback, passed

    @property
    def attempts(self) -> int:
        """Connections lost in a row without progress."""
        return self._retries.attempts

    @property
    def lost_connections(self) -> int:
        return self._retries.lost

    @property
    def timeline(self) -> Timeline:
        """The clock of this session of the service."""
        return self._sender.timeline

    @property
    def fresh(self) -> bool:
        """Whether this session of the service was sent no sound yet."""
        return self._sender.fresh

    @property
    def quiet_since(self) -> float:
        """When this state was entered, or the service last said something in it."""
        return max(self.since, self._spoke_at)

    @property
    def open(self) -> bool:
        """Whether a session takes sound."""
        return self.state is LinkState.OPEN and self._sender.opened

    @property
    def unused(self) -> bool:
        """Whether the connection has no session, or one that the service may not have seen, as it closes a connection
        that had none for a while."""
        asked = self.state is LinkState.OPEN and not self._sender.opened
        return self.state is LinkState.READY or (asked and self._used)

    @property
    def idle(self) -> bool:
        """Whether settings can change without ending a session: there is none, or it was sent no sound."""
        return self.state in (LinkState.CLOSED, LinkState.WAITING) or (
            self.fresh and self.state is not LinkState.FINISHING
        )

    @property
    def heard_by(self) -> float:
        """When the service has heard everything it was sent, if it works in real time."""
        return self._sender.heard_by

    def may_report(self, now: float) -> bool:
        """Whether the service may still report speech in what it was sent."""
        self.trim(now)
        return self._binder.detecting and any(isinstance(entry, AudioChunk) for entry in self._replay.past)

    @property
    def awaiting(self) -> bool:
        """Whether something has ended that the service has not answered."""
        if self._binder.detecting:
            return any(item.committed for item in self._binder.unfinished)
        return self._sender.commits.open

    # --- connecting -------------------------------------------------------------------------------------------------

    def need(self, now: float) -> None:
        """Connect, if not connected: there is something to send, or soon will be."""
        if self.state is not LinkState.CLOSED:
            return
        if now < self._retries.not_before:
            self._enter(LinkState.WAITING, now)
        else:
            self._enter(LinkState.OPENING, now)
            self._outbox.act(OpenUpstream(self.setup.model, self._retries.attempts, self._bound))

    def opened(self, now: float) -> None:
        self._enter(LinkState.READY, now)
        self._spoke_at, self._used = now, False
        self.dialect = dialect(self.setup.model)
        self._sender.connect(self.dialect)
        if not self.dialect.rules.acknowledged:
            self._begin(now)
        self.feed(now)

    def _begin(self, now: float) -> None:
        """Begin a session."""
        self._enter(LinkState.OPEN, now)
        self._sender.configure(self.setup)

    def begun(self, now: float) -> None:
        """The service has begun the session."""
        self._sender.open()
        self.spoke(now)
        self.feed(now)

    def lost(self, error: CompatError, now: float, *, closed: bool = False) -> bool:
        """The connection broke or failed: send what is not answered again over the next one. False if there is none.
        `closed`: it is still open and has to be closed."""
        fallback = self._fallback and not self._bound
        if closed and self.state in CONNECTED:
            self._outbox.act(CloseUpstream())
        retries = self._retries.after(error, now, self._limits, self._spread, fallback=fallback)
        if retries is None:
            self.gone(now)
            return False
        self._retries = retries
        self._again(now)
        return True

    @property
    def _bound(self) -> bool:
        """Whether only the first account can serve the session: a stored vocabulary belongs to one account."""
        return bool(self.setup.vocabulary_id)

    def progressed(self) -> None:
        """The service works: count attempts from 0 again."""
        self._retries = self._retries.progressed()

    def restart(self, setup: Setup, now: float) -> None:
        """Reconnect at once, with these settings."""
        self.setup = setup
        self._outbox.act(CloseUpstream())
        self._again(now)
        self.need(now)

    def finished(self, now: float, *, reusable: bool = False) -> None:
        """The service answered everything it was sent and ended its session. The next begins when it is needed, on the
        same connection if that is `reusable`."""
        # Of turns by hand, what is not committed yet is sent again.
        self._binder.finished(self._sender.end if self._binder.detecting else 0)
        if not reusable:
            self._outbox.act(CloseUpstream())
        self._used = True
        self._again(now, LinkState.READY if reusable else LinkState.CLOSED)

    def switch(self, setup: Setup, now: float) -> None:
        """Use these settings from here on. The service was sent no sound yet."""
        moved, self.setup = setup.model != self.setup.model, setup
        begun = self.state is LinkState.OPEN and not self._sender.has(setup)
        if begun and not moved and not self.dialect.rules.acknowledged:
            self._sender.configure(setup)
        elif begun or (moved and self.state in CONNECTED):
            self._outbox.act(CloseUpstream())
            self._enter(LinkState.CLOSED, now)
            self._sender.reset()
            self.need(now)

    def renew(self, setup: Setup, now: float) -> None:
        """Use these settings from here on. Sound without an answer is sent again with them."""
        if self.idle:
            self.switch(setup, now)
        else:
            self.restart(setup, now)

    def gone(self, now: float) -> None:
        """There is no connection any more."""
        self._enter(LinkState.CLOSED, now)

    def hang_up(self, now: float) -> None:
        """Close the connection for good, without finishing the session."""
        if self.state in CONNECTED:
            self._outbox.act(CloseUpstream())
        self._enter(LinkState.CLOSED, now)

    def _again(self, now: float, state: LinkState = LinkState.CLOSED) -> None:
        """The service's session is gone: its unanswered sound goes to the next one."""
        self._replay.rewind(self._unanswered(now))
        if not self._replay.unsent:
            self._binder.give_up()
        self._binder.lost()
        self._enter(state, now)
        self._sender.reset()
        self.feed(now)
        if self._urgent:
            self.need(now)

    def _unanswered(self, now: float) -> list[Entry]:
        self.trim(now)
        if not self._binder.detecting:
            return [entry for entry in self._replay.past if needed(entry)]
        return without(after(self._replay.past, self._binder.answered_to), self._binder.out_of_order)

    def trim(self, now: float) -> None:
        """Forget the sound that no replay can need."""
        if not self._binder.detecting:
            self._replay.trim(lambda entry: not needed(entry))
            return
        earliest, answered = self._binder.earliest, self._binder.answered_to
        if earliest is None:
            # Reports of postponed turns are ignored; a service that does not finish may have heard nothing.
            unsure = self._binder.postponed or self.state is LinkState.FINISHING
            earliest = self._replay.first(
                lambda sound: sound.end > answered and (unsure or self._sender.may_be_reported(sound, now))
            )
        before = max(answered, self._sender.end if earliest is None else earliest - TICKS)
        self._replay.trim(lambda entry: not isinstance(entry, AudioChunk) or entry.end <= before)
        self._replay.bound(round(self._limits.kept * TICKS))

    @property
    def _urgent(self) -> bool:
        """Whether to reconnect at once. The sound of an open turn by hand can wait, as the client may be away."""
        if self._binder.detecting:
            return bool(self._replay.future)
        return any(not isinstance(entry, AudioChunk) for entry in self._replay.future)

    def _enter(self, state: LinkState, now: float) -> None:
        self.state, self.since = state, now

    # --- the clock --------------------------------------------------------------------------------------------------

    def spoke(self, now: float) -> None:
        """The service sent something other than an error."""
        self._spoke_at = now
        if self._sender.spoke(now):
            self.progressed()

    def received(self, sent_at: float) -> None:
        """Everything sent until then has arrived."""
        if self._sender.received(sent_at):
            self.progressed()

    def drained(self, now: float) -> None:
        """Everything sent so far was written to the socket."""
        if self._sender.drained():
            self.progressed()
        if self._replay.future:
            self.feed(now)

    @property
    def deadline(self) -> float | None:
        match self.state:
            case LinkState.OPEN:
                return self._answer_due if self._sender.opened else self.since + self._limits.starting * self._slack
            case LinkState.CLOSED | LinkState.OPENING | LinkState.READY:
                return None
            case LinkState.WAITING:
                return self._retries.not_before
            case LinkState.FINISHING:
                # What was sent faster than it was spoken may take as long to hear as it lasts.
                return max(self.since, self._spoke_at, self._sender.heard_by) + self._limits.finishing * self._slack
            case _:
                assert_never(self.state)

    @property
    def _slack(self) -> int:
        """More time with each attempt: the service may be slow."""
        return 1 << min(self.attempts, 2)

    @property
    def _answer_due(self) -> float | None:
        if self.awaiting:
            patience = self._limits.stalled if self._binder.detecting else self._sender.commits.patience
            return max(self._spoke_at, self._sender.commits.at) + patience
        if not self._binder.speaking:
            return None
        if self._sender.unanswered > self._limits.stalled * TICKS:
            return self._spoke_at + self._limits.stalled
        if self._sender.retriable or not self._binder.following:
            # The caller may have stopped sending in mid-turn: what it sent is heard once more, to be sure.
            return max(self._spoke_at, self._sender.heard_by) + self._limits.stalled
        return None

    def overdue(self, now: float) -> bool:
        """Do what is due. True if the service hangs and the connection has to be given up."""
        if self.deadline is None or now < self.deadline:
            return False
        if self.state is LinkState.WAITING:
            self._enter(LinkState.CLOSED, now)
            self.need(now)
            return False
        if self.state is LinkState.OPEN and self._sender.opened and not self._binder.following:
            self.finish(now)
            return False
        self._sender.mark_retried()
        return True

    @property
    def starved_since(self) -> float | None:
        """When the session began or got its last sound, if there is none to send."""
        return None if not self.open or self._replay.future else max(self.since, self._sender.sent_at)

    # --- sending ----------------------------------------------------------------------------------------------------

    def feed(self, now: float) -> None:
        """Send what can be sent now. A commit without an answer, or a session that finishes, holds back the rest."""
        while self._replay.future and self.state is not LinkState.FINISHING:
            entry = self._replay.future[0]
            if not isinstance(entry, AudioChunk) and self._skipped(entry, now):
                continue
            if self.state is LinkState.READY:
                self._begin(now)
            elif self.state is LinkState.OPEN and self._sender.ready:
                self._send(entry, now)
            else:
                return

    def _skipped(self, entry: Entry, now: float) -> bool:
        """Whether the next entry was removed because the service needs nothing for it."""
        if not (entry.piece.resolved if isinstance(entry, Cut) else self.fresh):
            return False
        self._replay.pop()
        if isinstance(entry, Barrier):
            self._passed(entry, now)
        elif isinstance(entry, Revision):
            self.switch(entry.setup, now)
        return True

    def _send(self, entry: Entry, now: float) -> None:
        match entry:
            case AudioChunk() if not self._too_quiet:
                self._sender.sound(entry, self.setup, now)
            case Barrier() | AudioChunk():
                self.finish(now)
                return
            case Cut():
                if not self._sender.commit(entry.piece, now):
                    self._replay.sent()
                    self.finish(now)
                    return
            case Revision():
                self.setup = entry.setup
                self._sender.revise(entry.setup)
            case _:
                assert_never(entry)
        self._replay.sent()

    @property
    def _too_quiet(self) -> bool:
        """Whether to finish a session before it fails of silence, as one before it may have done."""
        bound = self.dialect.silence
        quiet = bound is not None and self._sender.unanswered > (bound - self._limits.spare) * TICKS
        return quiet and self.attempts > 0 and self._binder.detecting and not self._binder.unfinished

    def refused(self, about: str) -> ItemPiece | None:
        """The piece whose commit is refused. `about`: the id of the commit, empty if the service does not say it."""
        return self._sender.commits.refused(about)

    def finish(self, now: float) -> None:
        """Finish the session: the service answers everything it was sent."""
        self._binder.set_aside()
        self._enter(LinkState.FINISHING, now)
        self._sender.finish()
