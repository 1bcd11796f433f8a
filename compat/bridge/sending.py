"""Sends sound and commits to the service, and knows what this session of the service was sent and has acknowledged.

State has one of two lifetimes. What is lost with the service's session is in `_Sent`, which `Sender.reset` replaces
whole. Positions on the caller's clock outlive it and are in `_Reach`.
"""

from __future__ import annotations

import msgspec

from compat.bridge.items import ItemPiece
from compat.bridge.limits import TICKS, TICKS_A_MS, SessionLimits
from compat.bridge.outbox import Outbox
from compat.bridge.replay import AudioChunk
from compat.bridge.timeline import Timeline
from compat.bridge.turns import TurnBinder
from compat.dashscope_api.live.turns import Dialect, Setup

_OPUS_SILENCE = b"\xf8\xff\xfe"
_OPUS_TICKS = 20 * TICKS_A_MS
_MARGIN_MS = 300
_WINDOWS = 480 * TICKS_A_MS
"""A whole number of windows for voice activity detectors that look at 10, 15, 16, 20, 30 or 32 ms at a time."""


class _Sent(msgspec.Struct):
    """One session of the service.

    `setup`: the settings that it was sent. `opened`: it takes sound. `end`: where the last chunk ends; it was sent at
    `sent_at`. `in_flight`: bytes that are not written to the socket yet. `heard_by`: when the service has heard
    everything, if it works in real time. `arrived`: everything sent until then has arrived. `answered`: how much it had
    been sent, in ticks, when it last said something. `alive`: it has shown a sign of life.
    """

    timeline: Timeline
    setup: Setup | None = None
    opened: bool = False
    end: int = 0
    sent_at: float = 0.0
    in_flight: int = 0
    heard_by: float = 0.0
    arrived: float = 0.0
    answered: int = 0
    alive: bool = False


class _Reach(msgspec.Struct):
    """Positions on the client's clock.

    `sent` is the end of all audio ever sent, `written` of that written to a socket, and `progress` of that written to a
    socket known to be alive. `retried` is `sent` at the last time the service was considered to hang. `origin` is where
    the windows of the service's detector began.
    """

    sent: int = 0
    written: int = 0
    progress: int = 0
    retried: int = 0
    origin: int = 0


class Sender:
    """`dialect`: the protocol of the connection."""

    def __init__(self, outbox: Outbox, binder: TurnBinder, dialect: Dialect, limits: SessionLimits) -> None:
        self.commits = SentCommits(binder, limits)
        self._session = _Sent(Timeline())
        self._reach = _Reach()
        self._outbox = outbox
        self._binder = binder
        self._dialect = dialect
        self._limits = limits

    def connect(self, dialect: Dialect) -> None:
        """There is a new connection, which has no session yet."""
        self._dialect = dialect

    def reset(self) -> None:
        """The service's session is gone."""
        self._session = _Sent(Timeline())
        self.commits.forget()

    @property
    def timeline(self) -> Timeline:
        return self._session.timeline

    @property
    def fresh(self) -> bool:
        """Whether this session of the service was sent no sound yet."""
        return self.timeline.sent == 0

    def has(self, setup: Setup) -> bool:
        """Whether these are the settings that were sent last."""
        return self._session.setup == setup

    @property
    def ready(self) -> bool:
        """Whether more may be sent now. A commit without an answer holds back the rest."""
        session = self._session
        return session.opened and session.in_flight < self._limits.in_flight_bytes and not self.commits.unheard

    @property
    def opened(self) -> bool:
        """Whether the session takes sound."""
        return self._session.opened

    def open(self) -> None:
        """The service has begun the session."""
        self._session.opened = True

    @property
    def sent_at(self) -> float:
        """When this session was last sent sound."""
        return self._session.sent_at

    @property
    def end(self) -> int:
        """Where the last chunk of this session ends."""
        return self._session.end

    @property
    def heard_by(self) -> float:
        """When the service has heard everything it was sent, if it works in real time."""
        return self._session.heard_by

    def may_be_reported(self, sound: AudioChunk, now: float) -> bool:
        """Whether the service may still report speech in this sound. It may be slow, but not with silence."""
        received = max(self._session.arrived, now - self._limits.received_after)
        if sound.sent_at > received or sound.heard_by >= now - self._limits.reported:
            return True
        return sound.heard_by >= now - self._limits.reported_late and sound.loud

    @property
    def unanswered(self) -> int:
        """Ticks that were sent since the service last said something."""
        return self.timeline.sent - self._session.answered

    @property
    def retriable(self) -> bool:
        """Whether sound was sent that has not yet been sent again because the service hung."""
        return self._reach.sent > self._reach.retried

    def mark_retried(self) -> None:
        """The service hangs: what it was sent is sent again, once."""
        self._reach.retried = self._reach.sent

    # --- what the service shows; each returns whether the session makes progress --------------------------------------

    def spoke(self, now: float) -> bool:
        """The service sent something other than an error."""
        self.commits.spoke(now)
        self._session.answered, self._session.alive = self.timeline.sent, True
        return self._progress()

    def received(self, sent_at: float) -> bool:
        """What was sent until then has arrived."""
        self._session.arrived, self._session.alive = sent_at, True
        return self._progress()

    def drained(self) -> bool:
        """Everything sent so far was written to the socket."""
        self._session.in_flight = 0
        self._reach.written = self._reach.sent
        return self._progress()

    def _progress(self) -> bool:
        if not self._session.alive or self._reach.written <= self._reach.progress:
            return False
        self._reach.progress = self._reach.written
        return True

    # --- sending ------------------------------------------------------------------------------------------------------

    def configure(self, setup: Setup) -> None:
        """Send these settings."""
        self._session.setup = setup
        self._session.opened = not self._dialect.rules.acknowledged
        self._outbox.to_service(self._dialect.setup(setup, self._outbox.ids("setup")))

    def revise(self, setup: Setup) -> None:
        """Change the context for what is sent from here on."""
        self._session.setup = setup
        frame = self._dialect.revise(setup, self._outbox.event_id())
        if frame is not None:
            self._outbox.to_service(frame)

    def sound(self, chunk: AudioChunk, setup: Setup, now: float) -> None:
        if chunk.piece is not None:
            if not chunk.piece.fed:
                self._binder.feed(chunk.piece)
        else:
            self._align(chunk.tick, setup)
        self._append(chunk.data, packet=chunk.packet)
        session, end = self._session, chunk.end
        session.timeline.sound(chunk.tick, chunk.ticks)
        session.end, session.sent_at = end, now
        session.heard_by = max(session.heard_by, now) + chunk.ticks / TICKS
        self._reach.sent = max(self._reach.sent, end)
        chunk.mark_sent(now, session.heard_by)

    def commit(self, piece: ItemPiece, now: float) -> bool:
        """End this piece of a turn by hand. False if the session has to be finished for it."""
        self._binder.feed(piece)
        commit = self._outbox.ids("commit")
        self.commits.add(piece, commit, now)
        frame = self._dialect.commit(commit)
        if frame is not None:
            self._outbox.to_service(frame)
        return frame is not None

    def finish(self) -> None:
        """End the service's session: it answers everything it was sent."""
        self._outbox.to_service(self._dialect.finish(self._outbox.event_id()))

    def _append(self, data: bytes, *, packet: bool) -> None:
        """`packet`: it cannot be cut."""
        self._session.in_flight += len(data)
        size = len(data) if packet else min(self._limits.frame_bytes, self._dialect.rules.frame_bytes)
        for frame in (data,) if len(data) <= size else (data[at : at + size] for at in range(0, len(data), size)):
            self._outbox.to_service(self._dialect.append(frame, self._outbox.ids("event")))

    def _align(self, tick: int, setup: Setup) -> None:
        """Send silence of our own before sound that does not continue what was sent: turns that were apart stay apart,
        and what is sent again falls on the windows of the service's detector as it did the first time, so that the same
        sound is recognised again. The end of a turn may be the end of such a window, to the millisecond."""
        reach, end = self._reach, self._session.end
        if self.fresh:
            step = _WINDOWS if tick > self._binder.answered_to or self._binder.early else TICKS_A_MS
            lead = (tick - reach.origin) % step if tick < reach.sent else 0
            reach.origin = tick - lead
            self._silence(tick, lead, setup)
        elif tick != end:
            pause = ((setup.detection.silence_ms if setup.detection else 0) + _MARGIN_MS) * TICKS_A_MS
            self._silence(end, pause + (tick - end - pause) % _WINDOWS, setup)

    def _silence(self, tick: int, ticks: int, setup: Setup) -> None:
        if setup.format == "opus":
            ticks -= ticks % _OPUS_TICKS
            for _ in range(0, ticks, _OPUS_TICKS):
                self._append(_OPUS_SILENCE, packet=True)
        elif ticks:
            self._append(bytes(2 * (setup.rate * ticks // TICKS)), packet=False)
        if ticks:
            self.timeline.silence(tick, ticks)


class SentCommits:
    """Commits of turns by hand that the service has not answered. `at`: when the last one was sent."""

    def __init__(self, binder: TurnBinder, limits: SessionLimits) -> None:
        self.at = 0.0
        self._pieces: list[ItemPiece] = []
        self._commit = ""
        self._took = 0.0
        self._binder = binder
        self._limits = limits

    def add(self, piece: ItemPiece, commit: str, now: float) -> None:
        """The commit with this id was sent."""
        piece.ask()
        self._pieces.append(piece)
        self._commit, self.at = commit, now

    def forget(self) -> None:
        """The service's session is gone."""
        self._pieces = []

    @property
    def open(self) -> bool:
        """Whether something is not answered."""
        self._pieces = [piece for piece in self._pieces if not piece.resolved]
        return bool(self._pieces)

    @property
    def unheard(self) -> bool:
        """Whether the service has not acknowledged the last commit."""
        return bool(self._pieces) and self._pieces[-1] in self._binder.waiting

    def refused(self, about: str) -> ItemPiece | None:
        """The piece whose commit is refused. `about`: the id of the commit, empty if the service does not say it."""
        return self._pieces[-1] if self.unheard and about in ("", self._commit) else None

    def spoke(self, now: float) -> None:
        """The service sent something."""
        if self.unheard:
            self._took = now - self.at

    @property
    def patience(self) -> float:
        """Seconds to wait before the session is finished to get the answer. A commit without speech may never be
        answered, so one that is not acknowledged is given up sooner: after twice the time that the last one took."""
        if self.unheard:
            return min(max(self._limits.acknowledged, 2 * self._took), self._limits.manual_answer)
        return self._limits.manual_answer
