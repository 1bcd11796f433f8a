"""Messages of LiveTranslate (`Lt`) on `/api-ws/v1/realtime`. Sources: see compat.dashscope_api.live.live_translate."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from compat.dashscope_api.live.realtime_messages import (
    WireCommitted,
    WireError,
    WireEvent,
    WireFault,
    WireFinished,
    WireStarted,
    WireStopped,
    tags,
)


class LtUpdate(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="session.update"):
    event_id: str
    session: LtFlat | LtNested


class LtCorpus(msgspec.Struct, frozen=True):
    phrases: dict[str, str]


class LtTarget(msgspec.Struct, frozen=True, kw_only=True):
    language: str
    corpus: LtCorpus | UnsetType = UNSET


class LtSourceModel(msgspec.Struct, frozen=True, kw_only=True):
    """The model that transcribes the source, null for no transcript, and the language of the source."""

    model: str | None
    language: str | UnsetType = UNSET


class LtDetection(msgspec.Struct, frozen=True, kw_only=True):
    type: str = "server_vad"
    threshold: float
    silence_duration_ms: int


class LtFlat(msgspec.Struct, frozen=True, kw_only=True):
    """The session of versions 3 and 3.5."""

    modalities: tuple[str, ...]
    voice: str | UnsetType = UNSET
    input_audio_format: str = "pcm"
    sample_rate: int = 16000
    output_audio_format: str | UnsetType = UNSET
    input_audio_transcription: LtSourceModel
    translation: LtTarget
    turn_detection: LtDetection


class LtFormat(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    sample_rate: int | UnsetType = UNSET


class LtInput(msgspec.Struct, frozen=True, kw_only=True):
    format: LtFormat
    turn_detection: LtDetection


class LtOutput(msgspec.Struct, frozen=True, kw_only=True):
    voice: str
    format: LtFormat | UnsetType = UNSET


class LtAudio(msgspec.Struct, frozen=True, kw_only=True):
    input: LtInput
    output: LtOutput


class LtNested(msgspec.Struct, frozen=True, kw_only=True):
    """The session of version 3.8."""

    output_modalities: tuple[str, ...]
    audio: LtAudio
    translation: LtTarget


class LtItemRef(msgspec.Struct, frozen=True, kw_only=True):
    id: str | None = None
    role: str | None = None


class LtUsage(msgspec.Struct, frozen=True, kw_only=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None


class LtStatusDetails(msgspec.Struct, frozen=True, kw_only=True):
    error: WireFault | None = None


class LtResponse(msgspec.Struct, frozen=True, kw_only=True):
    id: str | None = None
    status: str | None = None
    status_details: LtStatusDetails | None = None
    usage: LtUsage | None = None


class LtItemCreated(WireEvent, frozen=True, tag="conversation.item.created"):
    previous_item_id: str | None = None
    item: LtItemRef = LtItemRef()


class _LtSource(WireEvent, frozen=True):
    item_id: str


class LtSourceSnapshot(_LtSource, frozen=True, tag="conversation.item.input_audio_transcription.text"):
    text: str | None = None
    stash: str | None = None


class LtSourceDelta(_LtSource, frozen=True, tag="conversation.item.input_audio_transcription.delta"):
    delta: str | None = None


class LtSourceCompleted(_LtSource, frozen=True, tag="conversation.item.input_audio_transcription.completed"):
    transcript: str | None = None


class LtSourceFailed(_LtSource, frozen=True, tag="conversation.item.input_audio_transcription.failed"):
    error: WireFault = WireFault()


class LtResponseCreated(WireEvent, frozen=True, tag="response.created"):
    response: LtResponse = LtResponse()


class LtOutputItemAdded(WireEvent, frozen=True, tag="response.output_item.added"):
    response_id: str | None = None
    previous_item_id: str | None = None
    item: LtItemRef = LtItemRef()


class _LtPart(WireEvent, frozen=True):
    """A part of a translation. `previous_item_id` names the item of the source."""

    response_id: str | None = None
    item_id: str | None = None
    previous_item_id: str | None = None


class LtTextSnapshot(_LtPart, frozen=True, tag="response.text.text"):
    text: str | None = None
    stash: str | None = None


class LtSpokenSnapshot(_LtPart, frozen=True, tag="response.audio_transcript.text"):
    text: str | None = None
    stash: str | None = None


class LtTextDelta(_LtPart, frozen=True, tag="response.text.delta"):
    delta: str | None = None


class LtSpokenDelta(_LtPart, frozen=True, tag="response.audio_transcript.delta"):
    delta: str | None = None


class LtTextDone(_LtPart, frozen=True, tag="response.text.done"):
    text: str | None = None


class LtSpokenDone(_LtPart, frozen=True, tag="response.audio_transcript.done"):
    transcript: str | None = None


class LtAudioDelta(_LtPart, frozen=True, tag="response.audio.delta"):
    delta: str | None = None


class LtResponseDone(WireEvent, frozen=True, tag="response.done"):
    response: LtResponse = LtResponse()


LtPart: TypeAlias = (
    LtTextSnapshot | LtSpokenSnapshot | LtTextDelta | LtSpokenDelta | LtTextDone | LtSpokenDone | LtAudioDelta
)
Event: TypeAlias = (
    WireStarted
    | WireStopped
    | WireCommitted
    | LtItemCreated
    | LtSourceSnapshot
    | LtSourceDelta
    | LtSourceCompleted
    | LtSourceFailed
    | LtResponseCreated
    | LtOutputItemAdded
    | LtPart
    | LtResponseDone
    | WireFinished
    | WireError
)

decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
TAGS = tags(Event)
