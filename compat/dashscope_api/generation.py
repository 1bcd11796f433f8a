"""The native surface: POST /api/v1/services/aigc/multimodal-generation/generation, for `qwen3-asr-flash*`.

The only one in the US region. Limits are those of the compatible surface; no times. Streamed (`X-DashScope-SSE`) there
is no [DONE]: the last frame has `finish_reason` "stop", earlier ones the string "null"; `event:error` comes under HTTP
200. (Model Studio "Qwen-ASR API reference" and its non-realtime guide, 2026; dashscope 2.0.2.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from compat.dashscope_api.calls import Call, Reply
from compat.dashscope_api.faults import Answer, checked, decode, read, task_fault
from compat.dashscope_api.inline import data_uri, inline_call
from compat.dashscope_api.messages import Annotation, Message, TokenDetails, transcribed
from compat.dashscope_api.sse import Event, Events
from compat.errors import ServiceFailed
from compat.transcript import Request, Transcript, Usage

URL = "/api/v1/services/aigc/multimodal-generation/generation"
STREAMED = {"x-dashscope-sse": "enable", "accept": "text/event-stream"}


class Choice(msgspec.Struct, frozen=True):
    message: Message | None = None
    finish_reason: str | None = None

    @property
    def last(self) -> bool:
        return self.finish_reason not in (None, "", "null")


class Output(msgspec.Struct, frozen=True):
    choices: list[Choice] = []


class Counts(msgspec.Struct, frozen=True):
    """`seconds` are those billed; which other members there are varies by snapshot."""

    seconds: float | None = None
    input_tokens_details: TokenDetails | None = None
    output_tokens_details: TokenDetails | None = None

    def usage(self) -> Usage:
        said, heard = self.output_tokens_details or TokenDetails(), self.input_tokens_details or TokenDetails()
        return Usage(
            seconds=heard.seconds if self.seconds is None else self.seconds,
            audio_tokens=heard.audio_tokens,
            text_tokens=heard.text_tokens,
            output_tokens=said.text_tokens,
        )


class Generation(Answer, frozen=True, kw_only=True):
    output: Output | None = None
    usage: Counts | None = None


def call(request: Request, *, stream: bool) -> Call:
    system = {"role": "system", "content": [{"text": request.context}]}
    user = {"role": "user", "content": [{"audio": data_uri(request.media)}]}
    asr_options = {**({"language": request.language} if request.language else {}), **request.options}
    parameters: dict[str, Any] = {"result_format": "message"}
    if stream:
        parameters["incremental_output"] = True
    if asr_options:
        parameters["asr_options"] = asr_options
    body = {
        "model": request.model,
        "parameters": parameters,
        "input": {"messages": [*([system] if request.context else []), user]},
    }
    return inline_call(URL, body, request.media, STREAMED if stream else None, rate=request.model)


def transcript(request: Request, reply: Reply) -> Transcript:
    """The transcript of a whole answer: empty where nobody spoke. Raises the error that the answer is."""
    generation = read(Generation, reply)
    if generation.output is None or not generation.output.choices:
        raise ServiceFailed("DashScope answered without a message.")
    message = generation.output.choices[0].message or Message()
    return transcribed(
        request,
        message.text,
        message.annotation or Annotation(),
        (generation.usage or Counts()).usage(),
        generation.request_id or reply.headers.get("x-request-id"),
    )


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
        said = [text for event in events if (text := self._frame(event))]
        self._text += said
        return said

    def _frame(self, event: Event) -> str:
        frame = checked(decode(Generation, event.data))
        if event.name == "error":
            raise task_fault(frame.code, frame.message or frame.msg, frame.request_id)
        self._request_id = frame.request_id or self._request_id
        self._counts = frame.usage or self._counts
        if frame.output is None or not frame.output.choices:
            return ""
        choice = frame.output.choices[0]
        message = choice.message or Message()
        self._ended = self._ended or choice.last
        self._annotation = message.annotation or self._annotation
        return message.text
