"""The compatible surface: POST /compatible-mode/v1/chat/completions, for `qwen3-asr-flash*`, up to 5 minutes and 10 MB.

Exactly one user message with exactly one `input_audio`; a system message is context, never an instruction; no times.
Streamed chunks append; `annotations` come again with every chunk, the usage chunk has no choices. Snapshot 2026-02-10
gives neither annotations nor `usage.seconds`. (Model Studio "Qwen-ASR API reference" and its non-realtime guide, 2026.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from compat.dashscope_api.calls import Call, Reply
from compat.dashscope_api.faults import Answer, checked, decode, read
from compat.dashscope_api.inline import data_uri, inline_call
from compat.dashscope_api.messages import Annotation, Message, TokenDetails, transcribed
from compat.dashscope_api.sse import Event, Events
from compat.errors import ServiceFailed
from compat.transcript import Request, Transcript, Usage

URL = "/compatible-mode/v1/chat/completions"


class Counts(msgspec.Struct, frozen=True):
    """`seconds` are those billed."""

    seconds: float | None = None
    prompt_tokens: int | None = None
    prompt_tokens_details: TokenDetails | None = None
    completion_tokens: int | None = None

    def usage(self) -> Usage:
        details = self.prompt_tokens_details or TokenDetails()
        return Usage(
            seconds=details.seconds if self.seconds is None else self.seconds,
            audio_tokens=details.audio_tokens,
            text_tokens=details.text_tokens,
            output_tokens=self.completion_tokens,
        )


class Choice(msgspec.Struct, frozen=True):
    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None


class Completion(Answer, frozen=True, kw_only=True):
    """chat.completion, and with `delta` for `message` chat.completion.chunk."""

    choices: tuple[Choice, ...] = ()
    usage: Counts | None = None


def call(request: Request, *, stream: bool) -> Call:
    asr_options = {**({"language": request.language} if request.language else {}), **request.options}
    system = {"role": "system", "content": [{"type": "text", "text": request.context}]}
    audio = {"type": "input_audio", "input_audio": {"data": data_uri(request.media)}}
    body: dict[str, Any] = {"model": request.model, "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    if asr_options:
        body["asr_options"] = asr_options
    body["messages"] = [*([system] if request.context else []), {"role": "user", "content": [audio]}]
    return inline_call(URL, body, request.media, rate=request.model)


def transcript(request: Request, reply: Reply) -> Transcript:
    """The transcript of a whole answer: empty where nobody spoke. Raises the error that the answer is."""
    completion = read(Completion, reply)
    if not completion.choices or completion.choices[0].message is None:
        raise ServiceFailed("DashScope answered without a message.")
    message = completion.choices[0].message
    counts = completion.usage or Counts()
    request_id = completion.request_id or reply.headers.get("x-request-id") or completion.id
    return transcribed(request, message.text, message.annotation or Annotation(), counts.usage(), request_id)


@dataclass
class Stream:
    """Bytes of a streamed answer in, pieces of text out; then the whole of it. Both raise the error the answer is."""

    request: Request
    _events: Events = field(default_factory=Events)
    _text: list[str] = field(default_factory=list)
    _annotation: Annotation = field(default_factory=Annotation)
    _counts: Counts = field(default_factory=Counts)
    _request_id: str | None = None
    _ended: bool = False

    def feed(self, chunk: bytes) -> list[str]:
        return self._said(self._events.feed(chunk))

    def flush(self) -> list[str]:
        """What the end of the answer completes. Raises ServiceFailed when it was cut off."""
        said = self._said(self._events.flush())
        if not self._ended:
            raise ServiceFailed("DashScope's answer was cut off.")
        return said

    def transcript(self) -> Transcript:
        return transcribed(self.request, "".join(self._text), self._annotation, self._counts.usage(), self._request_id)

    def _said(self, events: list[Event]) -> list[str]:
        said = [text for event in events if (text := self._chunk(event.data.strip()))]
        self._text += said
        return said

    def _chunk(self, data: bytes) -> str:
        if data == b"[DONE]":
            self._ended = True
            return ""
        chunk = checked(decode(Completion, data))
        self._request_id = chunk.request_id or chunk.id or self._request_id
        self._counts = chunk.usage or self._counts
        if not chunk.choices:
            return ""
        self._ended = self._ended or bool(chunk.choices[0].finish_reason)
        delta = chunk.choices[0].delta or Message()
        self._annotation = delta.annotation or self._annotation
        return delta.text
