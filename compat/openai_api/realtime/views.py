"""Session objects in `session.created` and `session.updated` events, in the four shapes of OpenAI's API.

GA: RealtimeTranscriptionSessionCreateResponseGA and RealtimeSessionCreateResponseGA; beta: the flat
RealtimeTranscriptionSessionCreateResponse and RealtimeSession (OpenAI's OpenAPI document, 2026-08). All of them show
the configuration in effect, not the one requested; `dashscope` adds the settings sent to the service.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from compat.openai_api.realtime.opening import Opening
from compat.openai_api.realtime.patch import NoiseReduction
from compat.openai_api.realtime.session import AudioFormat, Session, Vad


class FormatView(msgspec.Struct, frozen=True):
    type: str
    rate: int | UnsetType = UNSET


class TranscriptionView(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    language: str | None
    prompt: str | None
    languages: tuple[str, ...] | UnsetType = UNSET
    keywords: tuple[str, ...] | UnsetType = UNSET
    delay: str | UnsetType = UNSET


class VadView(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="server_vad"):
    threshold: float
    prefix_padding_ms: int
    silence_duration_ms: int


class SemanticVadView(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="semantic_vad"):
    eagerness: str


TurnsView: TypeAlias = VadView | SemanticVadView | None


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """The extension object `dashscope`: the settings sent to the service, and more.

    `model` and `threshold` are the service's own model and VAD threshold. `live_deltas` is the client's choice; null
    selects the model's default. `ignored` lists the client's fields without effect. `engine` names the demo engine, if
    in use. The parameters that a client can set are those of `patch.Extension`.
    """

    model: str
    threshold: float | None = None
    silence_duration_ms: int | None = None
    live_deltas: bool | None = None
    vocabulary: dict[str, int] | UnsetType = UNSET
    vocabulary_id: str | UnsetType = UNSET
    disfluency_removal_enabled: bool | UnsetType = UNSET
    inverse_text_normalization_enabled: bool | UnsetType = UNSET
    keep_dialect: bool | UnsetType = UNSET
    multi_threshold_mode_enabled: bool | UnsetType = UNSET
    punctuation_prediction_enabled: bool | UnsetType = UNSET
    special_word_filter: dict[str, Any] | UnsetType = UNSET
    speech_noise_threshold: float | UnsetType = UNSET
    vad_model: str | UnsetType = UNSET
    ignored: tuple[str, ...] = ()
    engine: str | UnsetType = UNSET


class InputView(msgspec.Struct, frozen=True, kw_only=True):
    format: FormatView
    transcription: TranscriptionView
    noise_reduction: NoiseReduction | None
    turn_detection: TurnsView


class AudioView(msgspec.Struct, frozen=True, kw_only=True):
    input: InputView


class Transcribing(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="transcription"):
    id: str
    object: Literal["realtime.transcription_session"] = "realtime.transcription_session"
    expires_at: int
    audio: AudioView
    include: tuple[str, ...] | None
    dashscope: Applied


class Conversing(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="realtime"):
    """A session of type `realtime`. It only transcribes, so `output_modalities` is `["text"]`."""

    id: str
    object: Literal["realtime.session"] = "realtime.session"
    model: str
    expires_at: int
    output_modalities: tuple[str, ...] = ("text",)
    instructions: str = ""
    tools: tuple[str, ...] = ()
    audio: AudioView
    include: tuple[str, ...] | None
    dashscope: Applied


class Flat(msgspec.Struct, frozen=True, kw_only=True):
    """Both beta shapes. A transcription session has no `model`, `instructions` or `tools`."""

    id: str
    object: Literal["realtime.session", "realtime.transcription_session"]
    expires_at: int
    modalities: tuple[str, ...] = ("text",)
    model: str | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    tools: tuple[str, ...] | UnsetType = UNSET
    input_audio_format: str
    input_audio_transcription: TranscriptionView
    input_audio_noise_reduction: NoiseReduction | None
    turn_detection: TurnsView
    include: tuple[str, ...] | None
    dashscope: Applied


_NESTED = ("transcription", "noise_reduction", "format")
"""Fields that GA nests under `audio.input` and beta prefixes with `input_audio_`."""
SessionView: TypeAlias = Transcribing | Conversing | Flat

_GA_NAMES = {"pcm": "audio/pcm", "ulaw": "audio/pcmu", "alaw": "audio/pcma", "opus": "audio/opus"}
_BETA_NAMES = {"pcm": "pcm16", "ulaw": "g711_ulaw", "alaw": "g711_alaw", "opus": "opus"}


def view(session: Session, opening: Opening, session_id: str, expires_at: int, applied: Applied) -> SessionView:
    """Return the session object in the client's dialect. `expires_at` is in seconds since the epoch."""
    if opening.dialect == "beta":
        return _flat(session, session_id, expires_at, applied)
    audio = AudioView(
        input=InputView(
            format=_format(session.format),
            transcription=_transcription(session),
            noise_reduction=session.noise_reduction,
            turn_detection=_turns(session.vad),
        )
    )
    if session.transcription:
        return Transcribing(
            id=session_id, expires_at=expires_at, audio=audio, include=session.include, dashscope=applied
        )
    return Conversing(
        id=session_id,
        model=session.voice_model or _model(session),
        expires_at=expires_at,
        audio=audio,
        include=session.include,
        dashscope=applied,
    )


def _flat(session: Session, session_id: str, expires_at: int, applied: Applied) -> Flat:
    return Flat(
        id=session_id,
        object="realtime.transcription_session" if session.transcription else "realtime.session",
        expires_at=expires_at,
        model=UNSET if session.transcription else session.voice_model or _model(session),
        instructions=UNSET if session.transcription else "",
        tools=UNSET if session.transcription else (),
        input_audio_format=_BETA_NAMES[session.format.encoding],
        input_audio_transcription=_transcription(session),
        input_audio_noise_reduction=session.noise_reduction,
        turn_detection=_turns(session.vad),
        include=session.include,
        dashscope=msgspec.structs.replace(applied, ignored=tuple(sorted(map(_flat_name, applied.ignored)))),
    )


def _flat_name(field: str) -> str:
    """Return the beta name of an ignored field."""
    return f"input_audio_{field}" if field.partition(".")[0] in _NESTED else field


def _model(session: Session) -> str:
    return session.model or session.native


def _format(audio: AudioFormat) -> FormatView:
    return FormatView(_GA_NAMES[audio.encoding], audio.rate if audio.encoding == "pcm" else UNSET)


def _transcription(session: Session) -> TranscriptionView:
    return TranscriptionView(
        model=_model(session),
        language=session.language,
        prompt=session.prompt,
        languages=session.languages or UNSET,
        keywords=session.keywords or UNSET,
        delay=session.delay or UNSET,
    )


def _turns(vad: Vad | None) -> TurnsView:
    if vad is None:
        return None
    if vad.eagerness is not None:
        return SemanticVadView(eagerness=vad.eagerness)
    return VadView(
        threshold=vad.threshold,
        prefix_padding_ms=vad.prefix_padding_ms,
        silence_duration_ms=vad.silence_duration_ms,
    )
