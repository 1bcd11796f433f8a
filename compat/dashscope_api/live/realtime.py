"""`Dialect` for `/api-ws/v1/realtime?model=…`, the protocol of qwen3-asr-flash-realtime.

Audio is 16-bit mono PCM at 8 or 16 kHz, or Opus. The service does not acknowledge appends. `.text` events hold
snapshots, not deltas. `session.finish` completes the open turn; the service replies with `session.finished`. After an
`error` of type `invalid_request_error` the session continues; any other type ends it.

Sources: Model Studio's guide to real-time speech recognition (2026-01, 2026-05), its client-event and server-event
pages, and the official package (dashscope 2.0.2).
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from compat.dashscope_api import faults
from compat.dashscope_api.live import realtime_messages as wire
from compat.dashscope_api.live import turns


class _Corpus(msgspec.Struct, frozen=True):
    text: str


class _Transcription(msgspec.Struct, frozen=True, kw_only=True):
    language: str | UnsetType = UNSET
    corpus: _Corpus | UnsetType = UNSET


class _TurnDetection(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="server_vad"):
    threshold: float
    silence_duration_ms: int


class _Session(msgspec.Struct, frozen=True, kw_only=True):
    modalities: tuple[str, ...] = ("text",)
    input_audio_format: str
    sample_rate: int
    input_audio_transcription: _Transcription
    turn_detection: _TurnDetection | None


class _ClientEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    event_id: str


class _Update(_ClientEvent, frozen=True, tag="session.update"):
    session: _Session


class _Commit(_ClientEvent, frozen=True, tag="input_audio_buffer.commit"):
    pass


class _Finish(_ClientEvent, frozen=True, tag="session.finish"):
    pass


class _Created(wire.WireEvent, frozen=True, tag="session.created"):
    pass


class _Updated(wire.WireEvent, frozen=True, tag="session.updated"):
    pass


class _ItemCreated(wire.WireEvent, frozen=True, tag="conversation.item.created"):
    pass


class _Text(wire.WireEvent, frozen=True, tag="conversation.item.input_audio_transcription.text"):
    item_id: str
    text: str | None = None
    stash: str | None = None
    language: str | None = None
    emotion: str | None = None


class _Completed(wire.WireEvent, frozen=True, tag="conversation.item.input_audio_transcription.completed"):
    item_id: str
    transcript: str | None = None
    language: str | None = None
    emotion: str | None = None


class _Failed(wire.WireEvent, frozen=True, tag="conversation.item.input_audio_transcription.failed"):
    item_id: str
    error: wire.WireFault = wire.WireFault()


_Known: TypeAlias = (
    _Created
    | _Updated
    | wire.WireStarted
    | wire.WireStopped
    | wire.WireCommitted
    | _ItemCreated
    | _Text
    | _Completed
    | _Failed
    | wire.WireFinished
    | wire.WireError
)


_TAGS = wire.tags(_Known)
_decoder = msgspec.json.Decoder(_Known)
_encoder = msgspec.json.Encoder()
_OTHER, _FINISHED = turns.OtherEvent(), turns.Finished()


class RealtimeSession:
    """The dialect. It has no state."""

    rules: ClassVar[turns.Rules] = turns.Rules(frame_bytes=32_000)
    spent: ClassVar[int] = 0
    silence: ClassVar[float | None] = None

    def setup(self, setup: turns.Setup, event_id: str) -> str:
        session = _Session(
            input_audio_format=setup.format,
            sample_rate=setup.rate,
            input_audio_transcription=_Transcription(
                language=setup.language or UNSET, corpus=_Corpus(setup.context) if setup.context else UNSET
            ),
            turn_detection=_detection(setup.detection),
        )
        return _text(_Update(event_id=event_id, session=session))

    def revise(self, setup: turns.Setup, event_id: str) -> None:
        """Return None: the context cannot change."""

    def append(self, audio: bytes, event_id: str) -> str:
        return wire.append(audio, event_id)

    def commit(self, event_id: str) -> str:
        return _text(_Commit(event_id=event_id))

    def finish(self, event_id: str) -> str:
        return _text(_Finish(event_id=event_id))

    def read(self, raw: str | bytes) -> tuple[turns.Report]:
        """Return the report in a frame from the service.

        An unknown event yields `OtherEvent`; an invalid frame or an invalid known event yields `Broken`.
        """
        try:
            return (_report(_decoder.decode(raw)),)
        except faults.UNREADABLE:
            return (wire.unknown(raw, _TAGS),)


def _detection(setting: turns.Detection | None) -> _TurnDetection | None:
    if setting is None:
        return None
    return _TurnDetection(threshold=setting.threshold, silence_duration_ms=setting.silence_ms)


def _text(event: _ClientEvent) -> str:
    return _encoder.encode(event).decode()


def _report(event: _Known) -> turns.Report:
    match event:
        case _Text():
            return turns.Snapshot(
                turn=event.item_id,
                text=event.text or "",
                stash=event.stash or "",
                language=event.language,
                emotion=event.emotion,
            )
        case _Completed():
            return turns.Final(
                turn=event.item_id, text=event.transcript or "", language=event.language, emotion=event.emotion
            )
        case wire.WireStarted():
            return turns.Started(event.item_id, wire.rounded(event.audio_start_ms))
        case wire.WireStopped():
            return turns.Stopped(event.item_id, wire.rounded(event.audio_end_ms))
        case wire.WireCommitted():
            return turns.TurnCommitted(event.item_id)
        case _Failed():
            return _failed(event)
        case wire.WireFinished():
            return _FINISHED
        case wire.WireError():
            return wire.report(event.error)
        case _Created() | _Updated() | _ItemCreated():
            return _OTHER


def _failed(event: _Failed) -> turns.Report:
    if faults.no_speech(event.error.code):
        return turns.Final(turn=event.item_id, text="")
    return turns.TurnFailed(event.item_id, faults.task_fault(event.error.code, event.error.message, None))
