"""A session's configuration as callers write it, in every dialect: what is absent stays as it is, null is a choice.

Beta and older realtime callers write flat fields (`input_audio_format`, `input_audio_transcription`,
`turn_detection`, `input_audio_noise_reduction`), GA callers nest them under `audio.input`; some mix both. One shape
reads them all (OpenAI's OpenAPI document, 2026-08: RealtimeTranscriptionSessionCreateRequest, …GA, RealtimeSession).
`sample_rate` beside a flat `pcm16`, and `opus`, are extensions of this server.
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
    """`server_vad` (the middle fields) or `semantic_vad` (`eagerness`). What concerns a model's answers is unread."""

    type: str | None = None
    threshold: float | UnsetType | None = UNSET
    prefix_padding_ms: float | UnsetType | None = UNSET
    silence_duration_ms: float | UnsetType | None = UNSET
    eagerness: str | UnsetType | None = UNSET


class NoiseReduction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`near_field` or `far_field`."""

    type: str | None = None


class Extension(msgspec.Struct, frozen=True, kw_only=True):
    """This server's own. `live_deltas`: whether turns that the caller commits give deltas while they are spoken; null
    leaves it to the model."""

    live_deltas: bool | UnsetType | None = UNSET


class Input(msgspec.Struct, frozen=True, kw_only=True):
    format: Format | str | UnsetType | None = UNSET
    transcription: Transcription | UnsetType | None = UNSET
    noise_reduction: NoiseReduction | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET


class Audio(msgspec.Struct, frozen=True, kw_only=True):
    input: Input | None = None


class Patch(msgspec.Struct, frozen=True, kw_only=True):
    """`unread`: the fields that nothing here reads, and whether they have a value; see `noting`."""

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

    def noting(self, said: Any) -> Patch:  # noqa: ANN401 - any JSON
        """The same, with the names of the JSON fields that it did not read."""
        return msgspec.structs.replace(self, unread=unread(said, Patch))

    def fields(self) -> tuple[Input, dict[str, str]]:
        """The input's fields, wherever they stood, and the path of each as this caller wrote it."""
        nested = self.audio.input if self.audio and self.audio.input else Input()
        flat = Input(
            format=self.input_audio_format,
            transcription=self.input_audio_transcription,
            noise_reduction=self.input_audio_noise_reduction,
            turn_detection=self.turn_detection,
        )
        found, paths = {}, {}
        for name, flat_name in _FLAT.items():
            value, paths[name] = getattr(nested, name), f"session.audio.input.{name}"
            if value is UNSET:
                value = getattr(flat, name)
                paths[name] = f"session.{flat_name}" if value is not UNSET else paths[name]
            found[name] = value
        return Input(**found), paths


_FLAT = {
    "format": "input_audio_format",
    "transcription": "input_audio_transcription",
    "noise_reduction": "input_audio_noise_reduction",
    "turn_detection": "turn_detection",
}
