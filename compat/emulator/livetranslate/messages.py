"""Messages of LiveTranslate beyond those of the realtime socket.

Model Studio, live-translator client events and server events, 2026-11; the official Python package 2.0.2.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from compat.emulator.realtime import messages
from compat.emulator.realtime.messages import ClientMessage, ServerMessage


class AppendImage(ClientMessage, frozen=True, tag="input_image_buffer.append", kw_only=True):
    image: str


class CreateResponse(ClientMessage, frozen=True, tag="response.create", kw_only=True):
    pass


ClientEvent: TypeAlias = messages.ClientEvent | AppendImage | CreateResponse


class SourceDelta(ServerMessage, frozen=True, tag="conversation.item.input_audio_transcription.delta", kw_only=True):
    item_id: str
    delta: str
    language: str | None
    content_index: int = 0


class ResponseCreated(ServerMessage, frozen=True, tag="response.created", kw_only=True):
    response: dict[str, Any]


class ResponseDone(ServerMessage, frozen=True, tag="response.done", kw_only=True):
    response: dict[str, Any]


class _OutputItem(ServerMessage, frozen=True, kw_only=True):
    response_id: str
    item: dict[str, Any]
    output_index: int = 0


class OutputItemAdded(_OutputItem, frozen=True, tag="response.output_item.added", kw_only=True):
    pass


class OutputItemDone(_OutputItem, frozen=True, tag="response.output_item.done", kw_only=True):
    pass


class _InResponse(ServerMessage, frozen=True, kw_only=True):
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0


class _Part(_InResponse, frozen=True, kw_only=True):
    part: dict[str, Any]


class PartAdded(_Part, frozen=True, tag="response.content_part.added", kw_only=True):
    pass


class PartDone(_Part, frozen=True, tag="response.content_part.done", kw_only=True):
    pass


class _Snapshot(_InResponse, frozen=True, kw_only=True):
    """It replaces the one before: `text` only grows, `stash` may change."""

    text: str
    stash: str


class _Delta(_InResponse, frozen=True, kw_only=True):
    delta: str


class TextSnapshot(_Snapshot, frozen=True, tag="response.text.text", kw_only=True):
    pass


class TextDelta(_Delta, frozen=True, tag="response.text.delta", kw_only=True):
    pass


class TextDone(_InResponse, frozen=True, tag="response.text.done", kw_only=True):
    text: str


class TranscriptSnapshot(_Snapshot, frozen=True, tag="response.audio_transcript.text", kw_only=True):
    pass


class TranscriptDelta(_Delta, frozen=True, tag="response.audio_transcript.delta", kw_only=True):
    pass


class TranscriptDone(_InResponse, frozen=True, tag="response.audio_transcript.done", kw_only=True):
    transcript: str


class AudioDelta(_InResponse, frozen=True, tag="response.audio.delta", kw_only=True):
    """24 kHz mono signed 16-bit little-endian PCM."""

    delta: bytes


class AudioDone(_InResponse, frozen=True, tag="response.audio.done", kw_only=True):
    pass
