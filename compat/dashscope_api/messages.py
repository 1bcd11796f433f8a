"""Messages of qwen3-asr, whole or streamed; shared by the surfaces `chat` and `generation`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil

import msgspec

from compat.dashscope_api.sse import Events, ServerSentEvent
from compat.errors import ContentRefused, ServiceFailed
from compat.transcript import Request, Transcript, Usage

AUDIO_TOKENS_A_SECOND = 25
COMPLETE = (None, "", "null", "stop")
"""Finish reasons of whole texts. `length` means that the text reached the model's limit and lacks its end."""


class ContentPart(msgspec.Struct, frozen=True):
    text: str | None = None


class Annotation(msgspec.Struct, frozen=True):
    language: str | None = None
    emotion: str | None = None


class Message(msgspec.Struct, frozen=True):
    """A message or a delta. `content` is a string in the documented samples but a list in the table of fields."""

    content: str | list[ContentPart] | None = None
    annotations: list[Annotation] | None = None

    @property
    def text(self) -> str:
        match self.content:
            case str(text):
                return text
            case list(parts):
                return "".join(part.text or "" for part in parts)
            case None:
                return ""

    @property
    def annotation(self) -> Annotation | None:
        return self.annotations[0] if self.annotations else None


class TokenDetails(msgspec.Struct, frozen=True):
    audio_tokens: int | None = None
    text_tokens: int | None = None

    @property
    def seconds(self) -> float | None:
        """The duration computed from the audio tokens, for snapshots that do not report seconds."""
        return None if self.audio_tokens is None else float(ceil(self.audio_tokens / AUDIO_TOKENS_A_SECOND))


def transcribed(
    request: Request,
    text: str,
    annotation: Annotation,
    usage: Usage,
    request_id: str | None,
    finish_reason: str | None,
) -> Transcript:
    """Return the transcript. Raises ContentRefused for the finish reason `content_filter`."""
    if finish_reason == "content_filter":
        raise ContentRefused("DashScope's content filter refused the transcript.")
    return Transcript(
        text=text,
        language=annotation.language or request.language,
        emotion=annotation.emotion,
        duration=request.media.duration,
        usage=usage,
        model=request.model,
        surface=request.surface,
        request_id=request_id,
        finish_reason=None if finish_reason in COMPLETE else finish_reason,
    )


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """The content of one event of a streamed response. `message` is false if it has none, as in the usage event."""

    message: bool = False
    text: str = ""
    annotation: Annotation | None = None
    usage: Usage | None = None
    request_id: str | None = None
    finish_reason: str | None = None
    last: bool = False


@dataclass
class MessageStream:
    """Decoder for a streamed response: bytes in, text deltas out.

    After `flush`, `transcript` returns the transcript. `feed` and `flush` raise the error in the response, if any.
    `read` decodes one event or raises its error.
    """

    request: Request
    read: Callable[[ServerSentEvent], Frame]
    _events: Events = field(default_factory=Events)
    _text: list[str] = field(default_factory=list)
    _annotation: Annotation = field(default_factory=Annotation)
    _usage: Usage = field(default_factory=Usage)
    _request_id: str | None = None
    _finish_reason: str | None = None
    _begun: bool = False
    _ended: bool = False

    def feed(self, chunk: bytes) -> list[str]:
        return self._deltas(self._events.feed(chunk))

    def flush(self) -> list[str]:
        """Return the deltas completed by the end of the response. Raises ServiceFailed if the response ended early, or
        without a message."""
        deltas = self._deltas(self._events.flush())
        if not (self._begun and self._ended):
            raise ServiceFailed("DashScope's response ended early.")
        return deltas

    def transcript(self) -> Transcript:
        text = "".join(self._text)
        return transcribed(self.request, text, self._annotation, self._usage, self._request_id, self._finish_reason)

    def _deltas(self, events: list[ServerSentEvent]) -> list[str]:
        deltas = [text for event in events if (text := self._take(self.read(event)))]
        self._text += deltas
        return deltas

    def _take(self, frame: Frame) -> str:
        self._annotation = frame.annotation or self._annotation
        self._usage = frame.usage or self._usage
        self._request_id = frame.request_id or self._request_id
        self._finish_reason = frame.finish_reason or self._finish_reason
        self._begun = self._begun or frame.message
        self._ended = self._ended or frame.last
        return frame.text
