"""The `Bridge`: one live session, which passes each event to the part that handles it.

The parts, from the client to the service: `CallerSide` handles the client's events and puts sound on the
`ReplayBuffer`; `Link` connects and sends what is on it; `TurnBinder` turns the service's reports into items, and
`ItemEvents` reports those to the client. `SettingsSwitch`, `VadCommits` and `Shutdown` act between turns. They run
synchronously; the order of calls here is the order of events. The package's docstring says what the two ends must do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from compat.bridge.actions import Action, Hangup, Reading
from compat.bridge.alarm import Alarm
from compat.bridge.caller import CallerSide
from compat.bridge.echoes import EchoCheck
from compat.bridge.face import Face
from compat.bridge.filling import Filling
from compat.bridge.intake import Sound
from compat.bridge.items import ItemEvents
from compat.bridge.lifespan import Lifespan
from compat.bridge.limits import REASON, TICKS, SessionLimits
from compat.bridge.link import Link
from compat.bridge.manual import VadCommits
from compat.bridge.outbox import Outbox
from compat.bridge.passing import Passing
from compat.bridge.pauses import Pauses
from compat.bridge.refusals import Refusals
from compat.bridge.replay import ReplayBuffer
from compat.bridge.settings import Configuration, Target
from compat.bridge.shutdown import Shutdown
from compat.bridge.states import LinkState
from compat.bridge.switching import SettingsSwitch
from compat.bridge.turns import TurnBinder
from compat.catalogue import live
from compat.dashscope_api.live import turns
from compat.errors import BadRequest, CompatError, ServiceTimedOut, ServiceUnavailable
from compat.openai_api.realtime import client_events as theirs
from compat.openai_api.realtime import server_events as ours
from compat.openai_api.realtime.opening import Opening
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.realtime.reader import UnreadableEvent
from compat.openai_api.realtime.session import AudioFormat


class Bridge:
    """One client, one session. Every `now` is in seconds on one monotonic clock.

    `resolve` returns DashScope's model for the client's model name, or raises CompatError. `ids("item")` returns a new
    identifier. `configured`: the settings of an ephemeral key, and of an offer. `spread`, from 0 to 1: the jitter of
    reconnections. `expires_at`, in seconds since the epoch, is only reported. `on_event` is called with every event for
    the client. `engine` answers in place of DashScope. `preferred`: the model of a client that names none. `presets`
    returns the options of an operator's alias. `fallback`: there is a second account. `advise` adds the setting to
    check to a refusal. `track`: the format of a call's audio, which comes as `Sound`. `face`: the client's API, by
    default `/v1/realtime`.
    """

    def __init__(
        self,
        opening: Opening,
        *,
        resolve: Callable[[str], str],
        ids: Callable[[str], str],
        expires_at: int,
        configured: Sequence[Patch] = (),
        limits: SessionLimits | None = None,
        spread: float = 0.5,
        on_event: Callable[[ours.ServerEvent], object] = lambda _: None,
        engine: str = "",
        preferred: str = live.DEFAULT,
        fallback: bool = False,
        presets: Callable[[str], Mapping[str, tuple[str, ...]]] = lambda _: {},
        advise: Callable[[CompatError, str], CompatError] = lambda error, _: error,
        track: AudioFormat | None = None,
        face: Face | None = None,
    ) -> None:
        self.over, self._advise = False, advise
        self._limits, self._patches, self._replay = limits or SessionLimits(), configured, ReplayBuffer()
        self._outbox = Outbox(ids, on_event, face)
        self._items = ItemEvents(self._outbox, opening.dialect, self._limits.remembered_items)
        echoes = EchoCheck(self._replay, lambda: self._link.setup)
        self._binder = TurnBinder(self._items, echoes, Pauses(self._replay, lambda: self._link.setup.rate))
        self._config = Configuration(opening, self._outbox, resolve, expires_at, engine, preferred, presets, track)
        self._link = Link(
            self._outbox,
            self._replay,
            self._binder,
            self._config.target.setup,
            limits=self._limits,
            spread=spread,
            fallback=fallback,
            passed=lambda barrier, now: self._passing.passed(barrier, now),
        )
        self._switch = SettingsSwitch(self._config.target, self._link, self._binder, self._replay, self._limits)
        self._caller = CallerSide(
            self._config, self._outbox, self._items, self._binder, self._replay, self._switch, self._limits
        )
        self._vad_commits = VadCommits(self._items, self._link, self._binder, self._replay, self._limits)
        self._passing = Passing(self._config, self._items, self._binder, self._link, self._caller, self._vad_commits)
        self._refusals = Refusals(self._config, self._outbox, self._binder, self._link, self._caller)
        self._reading = True
        self._closing_at: float | None = None
        self._lifespan = Lifespan(self._link, self._binder, self._caller)
        self._filling = Filling(self._link, self._replay, self._caller, self._outbox.face)
        self._shutdown = Shutdown(
            self._items, self._binder, self._replay, self._caller, self._link, self._limits, self._outbox
        )
        timed = self._link, self._lifespan, self._vad_commits, self._filling, self._shutdown, self._switch
        self._alarm = Alarm(self._outbox, timed, self._limits.glance)

    @property
    def corrections(self) -> int:
        """Items whose final transcript contradicts their deltas."""
        return self._items.corrections

    @property
    def completions(self) -> int:
        return self._items.completions

    @property
    def reconnections(self) -> int:
        return self._link.lost_connections

    @property
    def seconds(self) -> float:
        """Duration of the sound that the client has sent."""
        return self._caller.seconds

    @property
    def held(self) -> int:
        """Bytes of sound that is not sent to the service or not answered by it."""
        return self._replay.size

    @property
    def unsent(self) -> int:
        """Bytes of sound that is not sent to the service."""
        return 2 * self._replay.unsent

    @property
    def model(self) -> str:
        """The service's model, as configured last."""
        return self._config.session.native

    # --- what happens -----------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[Action]:
        """The client's connection was accepted."""
        self._shutdown.start(now)
        self._caller.open(self._patches)
        self._link.feed(now)
        self._link.need(now)
        return self._done(now)

    def from_client(self, raw: str | bytes | Sound, now: float) -> list[Action]:
        """One frame of the client: text for str, binary for bytes. Or audio of a call's track."""
        if self._closing_at is not None or not self._shutdown.listening:
            return []
        while self._caller.rest:
            self._caller.take()
        event, event_id = None, None
        try:
            if isinstance(raw, bytes):
                raise BadRequest("Binary frames are not supported: audio comes in events, as base64.")
            event = raw if isinstance(raw, Sound) else self._outbox.face.decode(raw)
            event_id = event.event_id
            self._caller.serve(event)
        except UnreadableEvent as error:
            self._outbox.error(error, error.event_id)
        except CompatError as error:
            self._outbox.error(error, event_id)
        self._switch.stamp(now)
        self._go_on(now)
        if not isinstance(event, theirs.Append | Sound):
            return self._done(now)
        self._filling.sounded(now)
        return self._sounded(now)

    @property
    def more(self) -> bool:
        """Whether to call `from_client_more`, in an iteration of the event loop of its own, before the next frame."""
        return bool(self._caller.rest) and self._closing_at is None and self._shutdown.listening

    def from_client_more(self, now: float) -> list[Action]:
        """The next piece of a long append."""
        self._caller.take()
        self._go_on(now)
        return self._done(now)

    def upstream_opened(self, now: float) -> list[Action]:
        """The connection that `OpenUpstream` asked for is open."""
        if self._closing_at is None:
            self._link.opened(now)
        return self._done(now)

    def upstream_drained(self, now: float) -> list[Action]:
        """Every frame given so far was written to the service's socket."""
        if self._closing_at is None:
            self._link.drained(now)
        return [] if self._outbox.empty and self._shutdown.until is None and self._reading else self._done(now)

    def upstream_pong(self, pinged_at: float, now: float) -> list[Action]:
        """The service's pong to a ping that was written at `pinged_at`: what was written before it has arrived."""
        self._link.received(pinged_at)
        self._link.trim(now)
        return self._done(now)

    def from_upstream(self, raw: str | bytes, now: float) -> list[Action]:
        """One frame of the service. The rest of it is of no use once its session is gone."""
        session = self._link.timeline
        for report in self._link.dialect.read(raw):
            if self._link.timeline is not session:
                break
            if self._closing_at is None:
                self._handle(report, now)
            elif isinstance(report, turns.Finished):
                self._end(now)
        return self._done(now)

    def upstream_lost(self, error: CompatError, now: float) -> list[Action]:
        """The connection failed or ended. `error.retryable`: whether another attempt may succeed."""
        unused, ended = self._link.unused, self._lifespan.ended(error, now)
        self._link.gone(now)
        if self._closing_at is not None:
            self._end(now)
        elif unused or ended:
            if ended:
                self._link.finished(now)
            self._go_on(now)
        else:
            self._lost(error, now)
        return self._done(now)

    def client_closed(self, now: float, hangup: Hangup | None = None) -> list[Action]:
        """The client has disconnected, or with `hangup` is to be disconnected: nobody waits for results any more."""
        self._close(hangup, now)
        return self._done(now)

    def vocabulary_refused(self, vocabulary_id: str, error: CompatError, now: float) -> list[Action]:
        """The vocabulary of `CheckVocabulary` does not fit the model: the service would ignore it."""
        if self._closing_at is None and self._config.target.setup.vocabulary_id == vocabulary_id:
            self._outbox.error(error)
            self._caller.refuse("vocabulary_id")
            self._link.renew(self._config.takeable(Target(self._link.setup)).setup, now)
        return self._done(now)

    def translated(self, ticket: str, text: str | CompatError, now: float) -> list[Action]:
        """The result of `Translate`."""
        self._outbox.tell(self._outbox.face.translated(ticket, text))
        return self._done(now)

    def allow(self, seconds: float, reason: CompatError) -> None:
        """Take no more than `seconds` of the client's sound. If more comes, the session ends for `reason`, and what was
        said before is answered."""
        self._caller.allowed, self._shutdown.bound = int(seconds * TICKS), reason

    def most(self, size: int) -> float:
        """An upper bound of the seconds of sound that the next call takes of a frame of `size` bytes."""
        return self._caller.most(size)

    def shutdown(self, grace: float, now: float, reason: CompatError | None = None) -> list[Action]:
        """End the session; open turns have `grace` seconds to finish. Without a `reason`, the server stops."""
        self._shutdown.begin(grace, now, reason)
        return self._done(now)

    def tick(self, now: float) -> list[Action]:
        """The time of a `Wake` has come."""
        self._alarm.fired()
        if self._closing_at is not None:
            if now >= self._closing_at:
                self._end(now)
        elif self._link.overdue(now):
            self._lost(ServiceTimedOut("The speech service does not answer."), now, closed=True)
        else:
            self._vad_commits.tick(now)
            self._lifespan.tick(now)
            self._filling.tick(now)
            self._go_on(now)
        return self._done(now)

    # --- the service ------------------------------------------------------------------------------------------------

    def _handle(self, report: turns.Report, now: float) -> None:
        match report:
            case turns.Refused():
                if not self._refusals.handle(report, now):
                    self._give_up(report.error, now)
            case turns.SetupRefused():
                self._refusals.leave_out(report.field, now)
            case turns.Opened():
                self._link.begun(now)
            case turns.Broken():
                self._lost(report.error, now, closed=True)
                return
            case turns.Finished():
                if self._link.state is not LinkState.FINISHING:
                    self._lost(ServiceUnavailable("The speech service ended its session."), now, closed=True)
                    return
                self._link.finished(now, reusable=report.reusable)
            case _:
                self._link.spoke(now)
                if not isinstance(report, turns.OtherEvent):
                    self._turn(report)
                self._lifespan.answered(now)
        self._go_on(now)

    def _turn(self, report: turns.TurnReport) -> None:
        told = self._outbox.told
        answered = not self._switch.postpones(report) and self._binder.handle(report, self._link.timeline)
        if answered or self._outbox.told > told:
            self._link.progressed()

    def _lost(self, error: CompatError, now: float, *, closed: bool = False) -> None:
        """`closed`: the connection is still open and has to be closed."""
        if not self._link.lost(error, now, closed=closed):
            self._give_up(error, now)

    def _give_up(self, error: CompatError, now: float) -> None:
        error = self._advise(error, self._link.setup.model)
        self._fail(error)
        self._outbox.error(error)
        self._link.hang_up(now)
        self._close(Hangup(1011, error.message.encode()[:REASON].decode(errors="ignore")), now)

    def _fail(self, error: CompatError) -> None:
        """Fail every item that has no result yet."""
        self._binder.fail(error, self._link.timeline.ended(None))
        self._caller.give_up()
        self._items.fail(error)

    # --- the end ----------------------------------------------------------------------------------------------------

    def _close(self, hangup: Hangup | None, now: float) -> None:
        if self._closing_at is not None:
            return
        self._closing_at = now + self._limits.closing
        if hangup is not None:
            self._outbox.act(*self._outbox.face.closing(), hangup)
        if self._link.open:
            self._link.finish(now)
        elif self._link.state is not LinkState.FINISHING:
            self._end(now)

    def _end(self, now: float) -> None:
        self._link.hang_up(now)
        self.over = True

    def _go_on(self, now: float) -> None:
        if self._closing_at is None:
            target = self._switch.next(now)
            if target is not None:
                self._apply(target, now)
            self._link.feed(now)
            if self._replay.future:
                self._link.need(now)

    def _apply(self, target: Target, now: float) -> None:
        """Apply pending settings: there is a place for them now."""
        self._link.renew(self._config.takeable(target).setup, now)
        self._caller.renew(target)
        self._switch.stamp(now)

    def _sounded(self, now: float) -> list[Action]:
        """After sound alone, which comes many times a second: do what follows only now and then."""
        reading = self._reading and not (self._caller.over_bound or self._caller.spent)
        steady = self._link.state is LinkState.OPEN and self._link.since < self._alarm.looked_at
        if reading and steady and self._shutdown.until is None and self._alarm.later(now):
            return self._outbox.take()
        self._link.trim(now)
        return self._done(now)

    def _done(self, now: float) -> list[Action]:
        self._shutdown.look(now)
        if self._shutdown.until is not None and self._closing_at is None:
            self._leave(now)
        if self._closing_at is None:
            self._pace()
            self._alarm.look(now)
        elif not self.over:
            self._alarm.by(self._closing_at)
        return self._outbox.take()

    def _leave(self, now: float) -> None:
        """End the session as soon as nothing is open. At the end of the grace, end the open turns; they get a moment to
        be answered, and what is not answered then fails. Sound in which the service may still report speech counts as
        open."""
        late = self._shutdown.advance(now)
        self._go_on(now)
        if late:
            self._fail(self._shutdown.reason)
        elif not self._shutdown.quiet(now):
            return
        if self._shutdown.explains(late=late):
            self._outbox.error(self._shutdown.reason)
        self._close(self._shutdown.hangup, now)

    def _pace(self) -> None:
        reading = not self._caller.over_bound or self._replay.unsent < self._limits.unsent * TICKS
        if reading is not self._reading:
            self._reading = reading
            self._outbox.act(Reading(reading))
