"""Server events of `/v1/realtime/translations` and their encoder (openai-python 3.57, RealtimeTranslation…Event).

There are no items and no turns: the client appends the deltas. `error` is that of the Realtime API. The optional
`elapsed_ms` is omitted.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from compat.openai_api.realtime.server_events import Error
from compat.openai_api.translations.session import RATE, TranslationView


class _ToListener(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    event_id: str


class TranslationCreated(_ToListener, frozen=True, tag="session.created"):
    session: TranslationView


class TranslationUpdated(_ToListener, frozen=True, tag="session.updated"):
    session: TranslationView


class TranslationClosed(_ToListener, frozen=True, tag="session.closed"):
    pass


class InputTranscriptDelta(_ToListener, frozen=True, tag="session.input_transcript.delta"):
    delta: str


class OutputTranscriptDelta(_ToListener, frozen=True, tag="session.output_transcript.delta"):
    delta: str


class OutputAudioDelta(_ToListener, frozen=True, kw_only=True, tag="session.output_audio.delta"):
    """`delta` is mono 16-bit PCM in base64."""

    delta: str
    format: Literal["pcm16"] = "pcm16"
    sample_rate: int = RATE
    channels: int = 1


ServerEvent: TypeAlias = (
    TranslationCreated
    | TranslationUpdated
    | TranslationClosed
    | InputTranscriptDelta
    | OutputTranscriptDelta
    | OutputAudioDelta
    | Error
)

_encoder = msgspec.json.Encoder()


def encode(event: ServerEvent) -> str:
    """Encode an event as a text frame."""
    return _encoder.encode(event).decode()
