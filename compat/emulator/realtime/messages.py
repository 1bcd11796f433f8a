"""Messages of `/api-ws/v1/realtime`: client events and server events.

Model Studio, Qwen-ASR realtime client events and server events, 2026-09.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

E = TypeVar("E")


class ClientMessage(msgspec.Struct, frozen=True, tag_field="type"):
    event_id: str | None = None


class SessionUpdate(ClientMessage, frozen=True, tag="session.update", kw_only=True):
    session: dict[str, Any]


class Append(ClientMessage, frozen=True, tag="input_audio_buffer.append", kw_only=True):
    audio: bytes


class Commit(ClientMessage, frozen=True, tag="input_audio_buffer.commit"):
    pass


class Clear(ClientMessage, frozen=True, tag="input_audio_buffer.clear"):
    pass


class Finish(ClientMessage, frozen=True, tag="session.finish"):
    pass


ClientEvent: TypeAlias = SessionUpdate | Append | Commit | Clear | Finish


class Heading(msgspec.Struct, frozen=True):
    """The members of a message that an error event refers to."""

    type: str = ""
    event_id: str | None = None


class Corpus(msgspec.Struct, frozen=True, omit_defaults=True):
    text: str | None = None


class Transcription(msgspec.Struct, frozen=True, omit_defaults=True):
    language: str | None = None
    corpus: Corpus | None = None


class TurnDetection(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["server_vad"] = "server_vad"
    threshold: float = 0.2
    silence_duration_ms: int = 800


class Format(msgspec.Struct, frozen=True):
    type: str = "pcm"
    sample_rate: int = 16_000


class AudioInput(msgspec.Struct, frozen=True):
    format: Format | UnsetType = UNSET


class Audio(msgspec.Struct, frozen=True):
    input: AudioInput | UnsetType = UNSET


class SessionPatch(msgspec.Struct, frozen=True):
    """`session` of an update. Missing members stay unchanged; unknown members are ignored."""

    modalities: list[str] | UnsetType = UNSET
    input_audio_format: str | UnsetType = UNSET
    sample_rate: int | UnsetType = UNSET
    audio: Audio | UnsetType = UNSET
    input_audio_transcription: Transcription | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET


class ServerMessage(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    event_id: str


class Created(ServerMessage, frozen=True, tag="session.created"):
    session: dict[str, Any]


class Updated(ServerMessage, frozen=True, tag="session.updated"):
    session: dict[str, Any]


class SpeechStarted(ServerMessage, frozen=True, tag="input_audio_buffer.speech_started"):
    audio_start_ms: int
    item_id: str


class SpeechStopped(ServerMessage, frozen=True, tag="input_audio_buffer.speech_stopped"):
    audio_end_ms: int
    item_id: str


class Committed(ServerMessage, frozen=True, tag="input_audio_buffer.committed"):
    previous_item_id: str | None
    item_id: str


class Cleared(ServerMessage, frozen=True, tag="input_audio_buffer.cleared"):
    pass


class ItemCreated(ServerMessage, frozen=True, tag="conversation.item.created"):
    previous_item_id: str | None
    item: dict[str, Any]


class Text(ServerMessage, frozen=True, tag="conversation.item.input_audio_transcription.text"):
    """A snapshot, which replaces the one before: `text` is final, `stash` may change."""

    item_id: str
    text: str
    stash: str
    language: str | None
    emotion: str | None = "neutral"
    content_index: int = 0


class Completed(ServerMessage, frozen=True, tag="conversation.item.input_audio_transcription.completed"):
    item_id: str
    transcript: str
    language: str | None
    emotion: str | None = "neutral"
    content_index: int = 0
    usage: dict[str, Any] | UnsetType = UNSET


class Failed(msgspec.Struct, frozen=True, tag_field="type", tag="conversation.item.input_audio_transcription.failed"):
    """The only event without an `event_id`."""

    item_id: str
    error: dict[str, Any]
    content_index: int = 0


class Finished(ServerMessage, frozen=True, tag="session.finished"):
    pass


class Detail(msgspec.Struct, frozen=True):
    type: str
    code: str
    message: str
    param: str | None = None
    event_id: str | None = None


class Error(ServerMessage, frozen=True, tag="error"):
    """`error.event_id` is that of the client event that caused the error."""

    error: Detail


ServerEvent: TypeAlias = ServerMessage | Failed


class Refused(Exception):
    """A client message with an error; the session continues."""

    def __init__(self, message: str, *, param: str | None = None, code: str = "invalid_value") -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


def decode(raw: str, decoder: msgspec.json.Decoder[E]) -> E:
    """Return a client event. Raises Refused if it is invalid."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as exc:
        path = str(exc).partition(" - at `$.")[2].rstrip("`")
        raise Refused(str(exc), param=path or "type") from exc
    except msgspec.DecodeError as exc:
        raise Refused("The message is not valid JSON.") from exc


def decode_patch(session: dict[str, Any], patch: type[E]) -> E:
    """Return the `session` of an update as a patch. Raises Refused."""
    try:
        return msgspec.convert(session, patch)
    except msgspec.ValidationError as exc:
        path = str(exc).partition(" - at `$.")[2].rstrip("`")
        raise Refused(str(exc), param=f"session.{path}" if path else "session") from exc


def heading(raw: str) -> Heading:
    """Return the heading of a message. Unreadable members keep their defaults."""
    try:
        return msgspec.json.decode(raw, type=Heading)
    except msgspec.DecodeError:
        return Heading()
