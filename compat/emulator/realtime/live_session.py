"""State machine of a live session of transcription or translation, without I/O: client messages in, server events out.

It takes audio, divides it into turns by silence or commits, and reports their results in order. `session.finish` ends
the open turn and sends session.finished.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from typing import Generic, Protocol, Self, TypeAlias, TypeVar, assert_never

from compat.emulator.engine import Engine
from compat.emulator.live_records import LiveRecord
from compat.emulator.live_settings import LiveLimits, SessionReadings
from compat.emulator.realtime.audio_input import Intake, intake
from compat.emulator.realtime.configuration import Detection
from compat.emulator.realtime.connection import Over
from compat.emulator.realtime.live_turn import LiveTurn
from compat.emulator.realtime.messages import (
    Append,
    Clear,
    Cleared,
    ClientEvent,
    Commit,
    Detail,
    Error,
    Finish,
    Finished,
    Refused,
    ServerEvent,
    SessionUpdate,
    SpeechStarted,
    SpeechStopped,
    Updated,
    heading,
)
from compat.emulator.realtime.vad import SpeechAudio, SpeechBegan, SpeechEnded, Vad, VadChange
from compat.emulator.sound import BYTES_PER_MS

Events: TypeAlias = Iterator[ServerEvent]
_PIECE = 100 * BYTES_PER_MS  # passed to a listener at a time
POLL = 0.05  # seconds between two looks at a turn that another machine works on


class Configured(Protocol):
    """What a session needs of its configuration. `turn_detection` None: manual commits."""

    @property
    def kind(self) -> str: ...

    @property
    def sample_rate(self) -> int: ...

    @property
    def turn_detection(self) -> Detection | None: ...

    def updated(self, session: dict[str, object]) -> Self:
        """Return the updated configuration. Raises Refused."""

    def session(self, session_id: str, model: str) -> dict[str, object]: ...


C = TypeVar("C", bound=Configured)
R = TypeVar("R", bound=SessionReadings)


class LiveSession(ABC, Generic[C, R]):
    """Updates `record` as it goes; `keep_sound`: also with the audio."""

    def __init__(
        self,
        engine: Engine,
        record: LiveRecord,
        configuration: C,
        *,
        limits: LiveLimits,
        readings: R,
        keep_sound: bool = False,
    ) -> None:
        self._engine = engine
        self._record = record
        self._configuration = configuration
        self._limits = limits
        self._readings = readings
        self._keep_sound = keep_sound
        self._count = itertools.count(1)
        self._previous_item: str | None = None
        self._turn: LiveTurn | None = None
        self._ended: deque[LiveTurn] = deque()  # turns that another machine works on
        self._looks = 0
        self._finishing = False
        self._taken = 0  # bytes of 16 kHz PCM
        self._restart()

    @property
    def patience(self) -> float | None:
        return POLL if self._ended else self._limits.idle_seconds

    @abstractmethod
    def opened(self) -> list[ServerEvent]: ...

    @abstractmethod
    def _decode(self, message: str) -> ClientEvent | None:
        """Return the client event, None for one without effect. Raises Refused."""

    @abstractmethod
    def _check(self, changed: C) -> None:
        """Raise Refused for a configuration that the readings exclude."""

    @abstractmethod
    def _new_turn(self) -> LiveTurn: ...

    def timed_out(self) -> Events:
        if not self._ended:
            raise Over(1001, "No message was received for too long.")
        yield from self._completed()
        self._looks += 1
        if self._ended and self._looks % max(1, round(self._limits.life_seconds / POLL)) == 0:
            yield from self._ended[0].sign_of_life()

    def disconnected(self) -> None:
        """Cancel the work of another machine: the client has disconnected. May be called from any thread."""
        for turn in [*self._ended, *filter(None, [self._turn])]:
            turn.stop()

    def _completed(self) -> Events:
        """Yield the results of ended turns that are complete, in order."""
        while self._ended and not self._ended[0].waiting:
            yield from self._ended.popleft().completed()
        if self._finishing and not self._ended:
            self._finishing = False
            yield from self._finished()

    @property
    def _overlapping(self) -> bool:
        """Whether partial results are sent while earlier turns are still worked on."""
        return True

    @property
    def _tells_speech(self) -> bool:
        """Whether the events of turn detection are sent."""
        return True

    def _finished(self) -> Events:
        yield Finished(event_id=self._id("event"))

    def receive(self, message: str | bytes) -> Events:
        """Yield the events that answer a message. A refused message gets an error event and changes nothing. Raises
        Over."""
        if isinstance(message, bytes):
            raise Over(1007, "Invalid payload data")
        yield from self._completed()
        try:
            event = self._decode(message)
            if event is not None:
                yield from self._take(event)
        except Refused as refused:
            yield self._error(refused, heading(message).event_id)
        if self._limits.audio_seconds is not None and self._record.audio_ms >= self._limits.audio_seconds * 1000:
            raise Over(1001, "The session has reached its maximum of audio.")

    def _take(self, event: ClientEvent) -> Events:
        if self._record.finished:
            raise Refused("The session has been finished.", param="type")
        match event:
            case SessionUpdate(session=session):
                return self._update(session)
            case Append(audio=audio):
                return self._append(audio)
            case Commit():
                return self._commit()
            case Clear():
                return self._clear()
            case Finish():
                return self._finish()
            case _:
                assert_never(event)

    def _update(self, session: dict[str, object]) -> Events:
        self._record.updates.append(session)
        changed = self._configuration.updated(session)
        if changed != self._configuration and self._record.frames and self._readings.fixed_configuration:
            raise Refused("The session cannot be changed once audio was appended.", param="session")
        self._check(changed)
        if changed != self._configuration:
            yield from self._end_speech()
            self._configuration = changed
            self._restart()
        self._record.configuration = changed.session(self._record.id, self._record.model)
        yield Updated(event_id=self._id("event"), session=self._record.configuration)

    def _restart(self) -> None:
        """Restart audio input and turn detection by the configuration. An uncommitted turn is dropped."""
        configuration = self._configuration
        self._intake: Intake = intake(configuration.kind, configuration.sample_rate)
        detection = configuration.turn_detection
        self._vad = Vad(detection.threshold, detection.silence_duration_ms) if detection else None
        self._vad_from_ms = self._taken // BYTES_PER_MS
        self._turn = None

    def _append(self, audio: bytes) -> Events:
        if len(audio) > self._limits.append_bytes:
            raise Refused("The audio of one append is too long.", param="audio")
        pcm = self._intake.feed(audio)
        if self._vad is None:
            self._check_room(len(pcm))
        self._record_audio(audio, len(pcm))
        for at in range(0, len(pcm), _PIECE):
            yield from self._hear(pcm[at : at + _PIECE])

    def _check_room(self, more: int) -> None:
        held = self._turn.size if self._turn else 0
        if held + more > self._limits.turn_seconds * 1000 * BYTES_PER_MS:
            raise Refused(f"The buffer holds at most {self._limits.turn_seconds:g} seconds.", param="audio")

    def _record_audio(self, audio: bytes, size: int) -> None:
        record = self._record
        self._taken += size
        record.frames += 1
        record.bytes += len(audio)
        record.audio_ms = self._taken // BYTES_PER_MS
        if self._keep_sound:
            record.sound += audio

    def _hear(self, pcm: bytes) -> Events:
        if self._vad is not None:
            for change in self._vad.feed(pcm):
                yield from self._changed(change)
            return
        self._turn = self._turn or self._new_turn()
        self._turn.hear(pcm, partial=False)

    def _changed(self, change: VadChange) -> Events:
        match change:
            case SpeechBegan(at_ms):
                self._turn = self._new_turn()
                if self._tells_speech:
                    at_ms += self._vad_from_ms
                    yield SpeechStarted(event_id=self._id("event"), audio_start_ms=at_ms, item_id=self._turn.item_id)
            case SpeechAudio(pcm):
                if self._turn:
                    self._turn.hear(pcm, partial=True)
                    if not self._ended or self._overlapping:
                        yield from self._turn.snapshots()
            case SpeechEnded(at_ms):
                if self._turn:
                    turn, self._turn = self._turn, None
                    if self._tells_speech:
                        at_ms += self._vad_from_ms
                        yield SpeechStopped(event_id=self._id("event"), audio_end_ms=at_ms, item_id=turn.item_id)
                    yield from self._end(turn)
            case _:
                assert_never(change)

    def _commit(self) -> Events:
        if self._vad is not None:
            raise Refused("commit is not allowed while turn detection is on.", param="type")
        if self._turn is None:
            raise Refused("The input audio buffer is empty.", param="type", code="input_audio_buffer_commit_empty")
        turn, self._turn = self._turn, None
        turn.end()
        if not turn.silent or self._readings.silent_commit == "empty":
            yield from self._end(turn)

    def _end(self, turn: LiveTurn) -> Events:
        turn.end()
        yield from turn.committed(self._previous_item)
        self._previous_item = turn.item_id
        self._record.items += 1
        self._ended.append(turn)
        yield from self._completed()

    def _end_speech(self) -> Events:
        if self._vad is not None:
            for change in self._vad.flush():
                yield from self._changed(change)

    def _clear(self) -> Events:
        if not self._readings.clear:
            raise Refused("input_audio_buffer.clear is not supported.", param="type")
        self._restart()
        yield Cleared(event_id=self._id("event"))

    def _finish(self) -> Events:
        """End detected speech. An uncommitted manual turn is dropped."""
        self._record.finished = True
        yield from self._end_speech()
        self._turn = None
        self._finishing = True
        yield from self._completed()

    def _error(self, refused: Refused, event_id: str | None) -> Error:
        detail = Detail("invalid_request_error", refused.code, refused.message, refused.param, event_id)
        return Error(event_id=self._id("event"), error=detail)

    def _id(self, kind: str) -> str:
        return f"{kind}_{self._record.id.removeprefix('sess_')}_{next(self._count)}"
