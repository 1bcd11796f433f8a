"""The live session itself. See the package's docstring for what its ends must do."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from compat.bridge.actions import Action, Hangup, Reading
from compat.bridge.alarm import Alarm
from compat.bridge.caller import Caller
from compat.bridge.commits import Commits
from compat.bridge.configured import Configured
from compat.bridge.doubt import Doubt
from compat.bridge.hearing import Hearing
from compat.bridge.held import Held
from compat.bridge.ledger import Ledger
from compat.bridge.limits import REASON, TICKS, Limits
from compat.bridge.line import Line, State
from compat.bridge.outbox import Outbox
from compat.bridge.parting import Parting
from compat.bridge.renewal import Renewal
from compat.bridge.setup import Target
from compat.bridge.tape import Barrier, Tape
from compat.dashscope_api.realtime import turns
from compat.dashscope_api.realtime.session import RealtimeSession
from compat.dashscope_api.realtime.turns import Dialect
from compat.errors import BadRequest, CompatError, ServiceTimedOut, ServiceUnavailable
from compat.openai_api.realtime import client_events as theirs
from compat.openai_api.realtime import server_events as ours
from compat.openai_api.realtime.opening import Opening
from compat.openai_api.realtime.patch import Patch


class Bridge:
    """One caller, one session. All `now` are seconds on one monotonic clock.

    `resolve` gives DashScope's model for a caller's name or raises CompatError; `ids("item")` a new identifier of that
    kind; `configured` is what an ephemeral key carries; `spread`, from 0 to 1, is this session's share of the jitter
    of reconnections; `expires_at`, in seconds since the epoch, is only told. `told` hears every event for the caller.
    `engine`: what answers in DashScope's place.
    """

    def __init__(
        self,
        opening: Opening,
        *,
        resolve: Callable[[str], str],
        ids: Callable[[str], str],
        expires_at: int,
        configured: Patch | None = None,
        dialect: Dialect | None = None,
        limits: Limits | None = None,
        spread: float = 0.5,
        told: Callable[[ours.ServerEvent], object] = lambda _: None,
        engine: str = "",
    ) -> None:
        self.over = False
        self._limits = limits or Limits()
        self._dialect = dialect or RealtimeSession()
        self._patch = configured
        self._outbox = Outbox(ids, told)
        self._tape = Tape()
        self._ledger = Ledger(self._outbox, opening.dialect, self._limits.remembered_items)
        self._hearing = Hearing(self._ledger, Doubt(self._tape, lambda: self._line.setup))
        held = Held()
        self._configured = Configured(opening, self._outbox, resolve, expires_at, engine)
        self._caller = Caller(
            self._configured,
            self._outbox,
            self._ledger,
            self._hearing,
            self._tape,
            held,
            limits=self._limits,
        )
        self._line = Line(
            self._outbox,
            self._tape,
            self._hearing,
            self._caller.target.setup,
            dialect=self._dialect,
            limits=self._limits,
            spread=spread,
            passed=self._pass,
        )
        self._renewal = Renewal(held, self._caller, self._line, self._hearing, self._tape, self._limits)
        self._commits = Commits(self._ledger, self._line, self._hearing, self._tape, self._limits)
        self._now = 0.0
        self._reading = True
        self._alarm = Alarm(self._outbox)
        self._closing_at: float | None = None
        self._parting = Parting(self._ledger, self._hearing, self._tape, self._caller, self._line, self._limits)

    # --- figures for the metrics ------------------------------------------------------------------------------------

    @property
    def corrections(self) -> int:
        """Items whose final words contradicted what had left as deltas."""
        return self._ledger.corrections

    @property
    def completions(self) -> int:
        return self._ledger.completions

    @property
    def reconnections(self) -> int:
        return self._line.reopened

    @property
    def seconds(self) -> float:
        """Sound that the caller has sent."""
        return self._caller.seconds

    @property
    def held(self) -> int:
        """Bytes of sound that was not sent or is not answered."""
        return self._tape.size

    @property
    def model(self) -> str:
        """The service's model, at last."""
        return self._configured.session.native

    # --- what happens -----------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[Action]:
        """The caller's socket was accepted."""
        self._now = now
        self._parting.start(now)
        self._caller.open(self._patch)
        self._line.feed(now)
        self._line.need(now)
        return self._done(now)

    def from_client(self, raw: str | bytes, now: float) -> list[Action]:
        """One frame of the caller: text for str, binary for bytes."""
        if self._closing_at is not None or not self._parting.listening:
            return []
        while self.more:
            self._caller.take()
        event_id = None
        try:
            if isinstance(raw, bytes):
                raise BadRequest("Binary frames are not supported: audio comes in input_audio_buffer.append.")
            event = theirs.decode(raw)
            event_id = event.event_id
            self._caller.serve(event)
        except theirs.Unreadable as error:
            self._outbox.fault(error, error.event_id)
        except CompatError as error:
            self._outbox.fault(error, event_id)
        self._renewal.stamp(now)
        self._go_on(now)
        return self._done(now)

    @property
    def more(self) -> bool:
        """Whether `from_client_more` is to be called, in a turn of the loop of its own, before the next frame."""
        return self._caller.more and self._closing_at is None and self._parting.listening

    def from_client_more(self, now: float) -> list[Action]:
        """The next piece of a long append."""
        self._caller.take()
        self._go_on(now)
        return self._done(now)

    def upstream_opened(self, now: float) -> list[Action]:
        """The connection that `Open` asked for is there."""
        if self._closing_at is None:
            self._line.opened(now)
        return self._done(now)

    def upstream_drained(self, now: float) -> list[Action]:
        """Every frame given so far was written to the service's socket."""
        if self._closing_at is None:
            self._line.drained(now)
            self._line.trim(now)
        if self._outbox.empty and self._parting.until is None and self._reading:
            return []
        return self._done(now)

    def upstream_pong(self, pinged_at: float, now: float) -> list[Action]:
        """The service's pong to a ping that was written at `pinged_at`: what was written before it has arrived."""
        self._line.received(pinged_at)
        self._line.trim(now)
        return self._done(now)

    def from_upstream(self, raw: str | bytes, now: float) -> list[Action]:
        """One frame of the service."""
        report = self._dialect.read(raw)
        if self._closing_at is None:
            self._hear(report, now)
        elif isinstance(report, turns.Finished):
            self._end(now)
        return self._done(now)

    def upstream_lost(self, error: CompatError, now: float) -> list[Action]:
        """The connection could not be made or ended, for this reason; `retryable` says whether another may help."""
        self._line.gone(now)
        if self._closing_at is None:
            self._lost(error, now)
        else:
            self._end(now)
        return self._done(now)

    def client_closed(self, now: float, hangup: Hangup | None = None) -> list[Action]:
        """The caller is gone, or is to go: nobody waits for what is under way."""
        self._close(hangup, now)
        return self._done(now)

    def shutdown(self, grace: float, now: float, reason: CompatError | None = None) -> list[Action]:
        """What is under way may end within `grace` seconds. Without a `reason` it is the server that stops."""
        self._parting.reason = reason or self._parting.reason
        self._parting.begin(grace, now)
        return self._done(now)

    def tick(self, now: float) -> list[Action]:
        """The time of a `Wake` has come."""
        self._alarm.rang()
        if self._closing_at is not None:
            if now >= self._closing_at:
                self._end(now)
        elif self._line.overdue(now):
            self._lost(ServiceTimedOut("The speech service does not answer."), now, closed=True)
        else:
            self._commits.tick(now)
            self._go_on(now)
        return self._done(now)

    # --- the service ------------------------------------------------------------------------------------------------

    def _hear(self, report: turns.Report, now: float) -> None:
        match report:
            case turns.Refused():
                self._refused(report, now)
            case turns.Broken():
                self._lost(report.error, now, closed=True)
                return
            case turns.Finished():
                if self._line.state is not State.FINISHING:
                    self._lost(ServiceUnavailable("The speech service ended its session."), now, closed=True)
                    return
                self._now = now
                self._line.finished(now)
            case turns.Noted():
                self._line.heard(now)
            case (
                turns.Started()
                | turns.Stopped()
                | turns.Committed()
                | turns.Snapshot()
                | turns.Final()
                | turns.TurnFailed()
            ):
                self._line.heard(now)
                self._turn(report)
            case _:
                assert_never(report)
        self._go_on(now)

    def _turn(self, report: turns.TurnReport) -> None:
        if self._renewal.postpones(report):
            return
        answers = self._hearing.answers
        self._hearing.hear(report, self._line.timeline)
        if self._hearing.answers > answers:
            self._line.attempts = 0

    def _refused(self, refused: turns.Refused, now: float) -> None:
        """The service did not take something: do without it where that is possible."""
        about, setup = refused.about or "", self._line.setup
        if about.startswith("commit") or (not about and refused.concerns("commit", "buffer")):
            piece = self._line.refused(about)
            if piece is not None:
                self._hearing.silent(piece)
        elif setup.context and refused.concerns("corpus", "context", "prompt"):
            self._without("context", now)
        elif setup.language and refused.concerns("language"):
            self._without("language", now)
        elif about.startswith("setup"):
            self._give_up(refused.error, now)
        elif self._line.state is State.FINISHING and refused.concerns("finish"):
            self._now = now
            self._line.finished(now)

    def _without(self, field: str, now: float) -> None:
        self._caller.refuse(field)
        self._line.setup = self._caller.takeable(Target(self._line.setup)).setup
        self._line.restart(now)

    def _lost(self, error: CompatError, now: float, *, closed: bool = False) -> None:
        """`closed`: it is the machine that has to drop the connection."""
        if closed:
            self._line.hang_up(now)
        if not error.retryable or self._line.attempts >= self._limits.attempts:
            self._give_up(error, now)
        else:
            self._now = now
            self._line.lost(now, error.retry_after or 0.0)

    def _give_up(self, error: CompatError, now: float) -> None:
        self._fail(error)
        self._outbox.fault(error)
        self._line.hang_up(now)
        self._close(Hangup(1011, error.message.encode()[:REASON].decode(errors="ignore")), now)

    def _pass(self, barrier: Barrier) -> None:
        """Everything before the barrier is answered."""
        if barrier.why == "clear":
            self._hearing.drop(barrier.tick, deaf=False)
        self._hearing.finished(barrier.tick)
        match barrier.why:
            case "commit":
                self._commits.passed(barrier)
            case "clear":
                if not barrier.announced:
                    self._ledger.cleared(barrier.tick)
            case "switch":
                if barrier.target is not None:
                    self._hearing.listen(barrier.target)
                    self._line.switch(self._caller.takeable(barrier.target).setup, self._now)
                self._caller.passed(barrier)
            case "join":
                if barrier.item is not None:
                    self._hearing.join(barrier.item)
            case "end":
                pass
            case _:
                assert_never(barrier.why)

    def _fail(self, error: CompatError) -> None:
        """Every turn that the caller knows of, and has no result for, ends as failed."""
        self._hearing.fail(error, self._line.timeline.ended(None))
        self._caller.give_up()
        self._ledger.fail(error)

    # --- the end ----------------------------------------------------------------------------------------------------

    def _close(self, hangup: Hangup | None, now: float) -> None:
        if self._closing_at is not None:
            return
        self._closing_at = now + self._limits.closing
        if hangup is not None:
            self._outbox.act(hangup)
        if self._line.state is State.OPEN:
            self._line.finish(now)
        elif self._line.state is not State.FINISHING:
            self._end(now)

    def _end(self, now: float) -> None:
        self._line.hang_up(now)
        self.over = True

    def _go_on(self, now: float) -> None:
        if self._closing_at is None:
            self._now = now
            self._renewal.look(now)
            self._line.feed(now)
            if self._tape.future:
                self._line.need(now)

    def _done(self, now: float) -> list[Action]:
        self._parting.look(now)
        if self._parting.until is not None and self._closing_at is None:
            self._leave(now)
        if self._closing_at is None:
            self._pace()
        if not self.over:
            self._alarm.set(self._deadlines())
        return self._outbox.take()

    def _leave(self, now: float) -> None:
        """What is under way ends within the grace, and what is open then is ended. Sound that the service may still
        report speech in is heard first."""
        late = self._parting.late(now)
        if late and self._parting.hush(now):
            self._parting.answer_by(now)
            late = False
        elif not late and self._parting.quiet(now):
            self._parting.hush(now)
        self._go_on(now)
        if not late and not self._parting.quiet(now):
            return
        if late:
            self._fail(self._parting.reason)
        if self._parting.expired:
            self._outbox.fault(self._parting.reason)
        self._close(Hangup(1001, self._parting.reason.message), now)

    def _pace(self) -> None:
        reading = not self._caller.pressing or self._tape.unsent < self._limits.unsent * TICKS
        if reading is not self._reading:
            self._reading = reading
            self._outbox.act(Reading(reading))

    def _deadlines(self) -> tuple[float | None, ...]:
        if self._closing_at is not None:
            return (self._closing_at,)
        return (self._line.deadline, self._commits.deadline, self._parting.deadline, self._renewal.deadline)
