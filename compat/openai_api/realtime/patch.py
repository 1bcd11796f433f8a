"""Session configuration sent by clients, in every dialect. An absent field is left unchanged; null is a value.

Beta and older clients send flat fields (`input_audio_format`, `input_audio_transcription`, `turn_detection`,
`input_audio_noise_reduction`); GA clients nest them under `audio.input`; some mix both. One type decodes all of them
(OpenAI's OpenAPI document, 2026-08: RealtimeTranscriptionSessionCreateRequest, …GA, RealtimeSession). `sample_rate`
with a flat `pcm16`, and `opus`, are extensions of this server.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from compat.openai_api.realtime.unread import unread


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """`audio/pcm` with its rate in Hz, `audio/pcmu`, `audio/pcma`, `audio/opus`."""

    type: str | None = None
    rate: float | None = None


class Transcription(msgspec.Struct, frozen=True, kw_only=True):
    model: str | UnsetType | None = UNSET
    language: str | UnsetType | None = UNSET
    languages: list[str] | UnsetType | None = UNSET
    prompt: str | UnsetType | None = UNSET
    keywords: list[str] | UnsetType | None = UNSET
    delay: str | UnsetType | None = UNSET


class TurnDetection(msgspec.Struct, frozen=True, kw_only=True):
    """Turn detection. `type` is `server_vad` or `semantic_vad`, which has `eagerness` instead of the other fields.

    Fields about a model's responses are not decoded.
    """

    type: str | None = None
    threshold: float | UnsetType | None = UNSET
    prefix_padding_ms: float | UnsetType | None = UNSET
    silence_duration_ms: float | UnsetType | None = UNSET
    eagerness: str | UnsetType | None = UNSET


class NoiseReduction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`near_field` or `far_field`."""

    type: str | None = None


class Extension(msgspec.Struct, frozen=True, kw_only=True):
    """Extensions of this server. `live_deltas` says whether manually committed turns yield deltas before their commit;
    null selects the model's default. `vocabulary` maps hot words to weights from 1 to 5, or 50; `vocabulary_id` names
    a stored list. The others are parameters of DashScope's live models."""

    live_deltas: bool | UnsetType | None = UNSET
    vocabulary: dict[str, int] | UnsetType | None = UNSET
    vocabulary_id: str | UnsetType | None = UNSET
    disfluency_removal_enabled: bool | UnsetType | None = UNSET
    inverse_text_normalization_enabled: bool | UnsetType | None = UNSET
    keep_dialect: bool | UnsetType | None = UNSET
    multi_threshold_mode_enabled: bool | UnsetType | None = UNSET
    punctuation_prediction_enabled: bool | UnsetType | None = UNSET
    special_word_filter: dict[str, Any] | UnsetType | None = UNSET
    speech_noise_threshold: float | UnsetType | None = UNSET
    vad_model: str | UnsetType | None = UNSET

    @property
    def options(self) -> dict[str, Any]:
        """The parameters of DashScope that are sent, null included."""
        values = msgspec.structs.asdict(self)
        own = ("live_deltas", "vocabulary", "vocabulary_id")
        return {name: value for name, value in values.items() if name not in own and value is not UNSET}


class Input(msgspec.Struct, frozen=True, kw_only=True):
    format: Format | str | UnsetType | None = UNSET
    transcription: Transcription | UnsetType | None = UNSET
    noise_reduction: NoiseReduction | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET


class Audio(msgspec.Struct, frozen=True, kw_only=True):
    input: Input | None = None


class Patch(msgspec.Struct, frozen=True, kw_only=True):
    """An update. `unread` maps the names of unknown fields to whether they have a value; see `with_unread`."""

    type: str | None = None
    model: str | None = None
    audio: Audio | None = None
    include: list[str] | UnsetType | None = UNSET
    input_audio_format: Format | str | UnsetType | None = UNSET
    sample_rate: float | None = None
    input_audio_transcription: Transcription | UnsetType | None = UNSET
    input_audio_noise_reduction: NoiseReduction | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET
    dashscope: Extension | None = None
    unread: dict[str, bool] = msgspec.field(default_factory=dict, name=" unread")

    def with_unread(self, raw: Any) -> Patch:  # noqa: ANN401 - any JSON
        """Return a copy with the unknown fields of the JSON it was decoded from."""
        return msgspec.structs.replace(self, unread=unread(raw, Patch))

    def fields(self) -> tuple[Input, dict[str, str]]:
        """Return the input fields, nested or flat, and the path of each as the client wrote it."""
        nested = self.audio.input if self.audio and self.audio.input else Input()
        flat = Input(
            format=self.input_audio_format,
            transcription=self.input_audio_transcription,
            noise_reduction=self.input_audio_noise_reduction,
            turn_detection=self.turn_detection,
        )
        values, paths = {}, {}
        for name, flat_name in _FLAT.items():
            value, paths[name] = getattr(nested, name), f"session.audio.input.{name}"
            if value is UNSET:
                value = getattr(flat, name)
                paths[name] = f"session.{flat_name}" if value is not UNSET else paths[name]
            values[name] = value
        return Input(**values), paths


_FLAT = {
    "format": "input_audio_format",
    "transcription": "input_audio_transcription",
    "noise_reduction": "input_audio_noise_reduction",
    "turn_detection": "turn_detection",
}
