"""Server events of the Realtime API and their encoder.

The types follow OpenAI's OpenAPI document, RealtimeServerEvent… and RealtimeBetaServerEvent… (2026-08). `dashscope` is
an extension with data from the service that has no field in OpenAI's API.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from compat.errors import CompatError
from compat.openai_api.realtime.views import SessionView


class DurationUsage(msgspec.Struct, frozen=True, tag_field="type", tag="duration"):
    seconds: float


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tokens"):
    total_tokens: int
    input_tokens: int
    output_tokens: int


class WordView(msgspec.Struct, frozen=True, kw_only=True):
    """A word, with times in seconds since the session began. `sentence_id`: the number of its sentence in the
    item, from 1 on."""

    word: str
    start: float
    end: float
    sentence_id: int | UnsetType = UNSET


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """The extension object `dashscope`. `stash` is the part of the hypothesis that may still change; the full
    hypothesis is the deltas so far plus `stash`. `words` are given with the transcript, by models that have them."""

    stash: str = ""
    language: str | None = None
    emotion: str | None = None
    words: tuple[WordView, ...] | UnsetType = UNSET


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    code: str | None
    message: str
    param: str | None = None
    event_id: str | None = None

    @classmethod
    def of(cls, error: CompatError, event_id: str | None = None) -> Fault:
        return cls(type=error.type, code=error.code, message=error.message, param=error.param, event_id=event_id)


class Content(msgspec.Struct, frozen=True, tag_field="type", tag="input_audio"):
    transcript: str | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    id: str
    object: Literal["realtime.item"] = "realtime.item"
    status: Literal["completed", "incomplete", "in_progress"] = "completed"
    role: Literal["user"] = "user"
    content: tuple[Content, ...] = (Content(),)


class _ToClient(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    event_id: str


class SessionCreated(_ToClient, frozen=True, tag="session.created"):
    session: SessionView


class SessionUpdated(_ToClient, frozen=True, tag="session.updated"):
    session: SessionView


class TranscriptionSessionCreated(_ToClient, frozen=True, tag="transcription_session.created"):
    session: SessionView


class TranscriptionSessionUpdated(_ToClient, frozen=True, tag="transcription_session.updated"):
    session: SessionView


class SpeechStarted(_ToClient, frozen=True, tag="input_audio_buffer.speech_started"):
    audio_start_ms: int
    item_id: str


class SpeechStopped(_ToClient, frozen=True, tag="input_audio_buffer.speech_stopped"):
    audio_end_ms: int
    item_id: str


class Committed(_ToClient, frozen=True, tag="input_audio_buffer.committed"):
    previous_item_id: str | None
    item_id: str


class Cleared(_ToClient, frozen=True, tag="input_audio_buffer.cleared"):
    pass


class ItemCreated(_ToClient, frozen=True, tag="conversation.item.created"):
    previous_item_id: str | None
    item: Item


class ItemAdded(_ToClient, frozen=True, tag="conversation.item.added"):
    previous_item_id: str | None
    item: Item


class ItemDone(_ToClient, frozen=True, tag="conversation.item.done"):
    previous_item_id: str | None
    item: Item


class ItemRetrieved(_ToClient, frozen=True, tag="conversation.item.retrieved"):
    item: Item


class ItemDeleted(_ToClient, frozen=True, tag="conversation.item.deleted"):
    item_id: str


class Delta(_ToClient, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.delta"):
    item_id: str
    content_index: int = 0
    delta: str
    dashscope: Hint


class Language(msgspec.Struct, frozen=True):
    code: str


class Completed(_ToClient, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.completed"):
    item_id: str
    content_index: int = 0
    transcript: str
    languages: tuple[Language, ...] | UnsetType = UNSET
    usage: DurationUsage | TokenUsage
    dashscope: Hint


class Failed(_ToClient, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.failed"):
    item_id: str
    content_index: int = 0
    error: Fault


class Error(_ToClient, frozen=True, tag="error"):
    error: Fault


ServerEvent: TypeAlias = (
    SessionCreated
    | SessionUpdated
    | TranscriptionSessionCreated
    | TranscriptionSessionUpdated
    | SpeechStarted
    | SpeechStopped
    | Committed
    | Cleared
    | ItemCreated
    | ItemAdded
    | ItemDone
    | ItemRetrieved
    | ItemDeleted
    | Delta
    | Completed
    | Failed
    | Error
)

_encoder = msgspec.json.Encoder()


def encode(event: ServerEvent) -> str:
    """Encode an event as a text frame."""
    return _encoder.encode(event).decode()
