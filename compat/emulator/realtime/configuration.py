"""Configuration of a live session: defaults, updates and the session object of events."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
from msgspec import UNSET

from compat.emulator.realtime.messages import (
    Format,
    Refused,
    SessionPatch,
    Transcription,
    TurnDetection,
    decode_patch,
)

RATES = (8_000, 16_000)
FORMATS = {"pcm": "pcm", "pcm16": "pcm", "opus": "opus"}  # pcm16 is the SDK's default for other models
THRESHOLD = (-1.0, 1.0)
SILENCE_MS = (200, 6_000)


class Detection(Protocol):
    """What turn detection goes by."""

    @property
    def threshold(self) -> float: ...

    @property
    def silence_duration_ms(self) -> int: ...


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """The actual defaults; session.created shows others. `turn_detection` None: manual commits."""

    modalities: tuple[str, ...] = ("text",)
    input_audio_format: str = "pcm"
    sample_rate: int = 16_000
    input_audio_transcription: Transcription | None = None
    turn_detection: TurnDetection | None = TurnDetection()

    @property
    def kind(self) -> str:
        """Of the audio: pcm or opus."""
        return FORMATS[self.input_audio_format]

    @property
    def language(self) -> str | None:
        return self.input_audio_transcription.language if self.input_audio_transcription else None

    @property
    def context(self) -> str | None:
        corpus = self.input_audio_transcription.corpus if self.input_audio_transcription else None
        return corpus.text if corpus else None

    def session(self, session_id: str, model: str) -> dict[str, Any]:
        members: dict[str, Any] = msgspec.to_builtins(self)
        return {"id": session_id, "object": "realtime.session", "model": model} | members

    def updated(self, session: dict[str, Any]) -> Configuration:
        """Return the updated configuration. Raises Refused with the parameter."""
        patch = decode_patch(session, SessionPatch)
        sound = _format(self, patch)
        changed = msgspec.structs.replace(
            self,
            modalities=self.modalities if patch.modalities is UNSET else tuple(patch.modalities),
            input_audio_format=sound.type,
            sample_rate=sound.sample_rate,
            input_audio_transcription=(
                self.input_audio_transcription
                if patch.input_audio_transcription is UNSET
                else patch.input_audio_transcription
            ),
            turn_detection=self.turn_detection if patch.turn_detection is UNSET else patch.turn_detection,
        )
        _check(changed)
        return changed


def sample(session_id: str, model: str) -> dict[str, Any]:
    """Return the session of session.created: the values of the documentation's sample, which differ from the
    defaults."""
    return {
        "id": session_id,
        "object": "realtime.session",
        "model": model,
        "modalities": ["text"],
        "input_audio_format": "pcm16",
        "input_audio_transcription": None,
        "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 200},
    }


def _format(before: Configuration, patch: SessionPatch) -> Format:
    """Return the audio format, from flat members or from `audio.input.format`."""
    if patch.audio is not UNSET and patch.audio.input is not UNSET and patch.audio.input.format is not UNSET:
        return patch.audio.input.format
    return Format(
        before.input_audio_format if patch.input_audio_format is UNSET else patch.input_audio_format,
        before.sample_rate if patch.sample_rate is UNSET else patch.sample_rate,
    )


def _check(configuration: Configuration) -> None:
    if configuration.input_audio_format not in FORMATS:
        raise Refused("Supported formats are pcm and opus.", param="session.input_audio_format")
    if configuration.sample_rate not in RATES:
        raise Refused("Supported sample rates are 8000 and 16000.", param="session.sample_rate")
    if configuration.turn_detection is not None:
        check_detection(configuration.turn_detection, "session.turn_detection")


def check_detection(detection: Detection, param: str) -> None:
    """Raise Refused for invalid settings of turn detection."""
    if not THRESHOLD[0] <= detection.threshold <= THRESHOLD[1]:
        raise Refused("threshold must lie in [-1, 1].", param=f"{param}.threshold")
    if not SILENCE_MS[0] <= detection.silence_duration_ms <= SILENCE_MS[1]:
        raise Refused("silence_duration_ms must lie in [200, 6000].", param=f"{param}.silence_duration_ms")
