"""The native surface: POST /api/v1/services/aigc/multimodal-generation/generation, for `qwen3-asr-flash*`.

The only one in the US region. Limits are those of the compatible surface; no times. Streamed (`X-DashScope-SSE`) there
is no [DONE]: the last frame has `finish_reason` "stop", earlier ones the string "null"; `event:error` comes under HTTP
200. (Model Studio "Qwen-ASR API reference" and its non-realtime guide, 2026; dashscope 2.0.2.)
"""

from __future__ import annotations

from typing import Any

import msgspec

from compat.dashscope_api.calls import Call, Reply
from compat.dashscope_api.faults import Answer, checked, decode, read, task_fault
from compat.dashscope_api.inline import data_uri, inline_call
from compat.dashscope_api.messages import Annotation, Frame, Message, MessageStream, TokenDetails, transcribed
from compat.dashscope_api.sse import ServerSentEvent
from compat.errors import ServiceFailed
from compat.transcript import Request, Transcript, Usage

URL = "/api/v1/services/aigc/multimodal-generation/generation"
STREAMED = {"x-dashscope-sse": "enable", "accept": "text/event-stream"}


class GenerationChoice(msgspec.Struct, frozen=True):
    message: Message | None = None
    finish_reason: str | None = None

    @property
    def last(self) -> bool:
        return self.finish_reason not in (None, "", "null")


class GenerationOutput(msgspec.Struct, frozen=True):
    choices: list[GenerationChoice] = []


class GenerationUsage(msgspec.Struct, frozen=True):
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
    output: GenerationOutput | None = None
    usage: GenerationUsage | None = None


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
        (generation.usage or GenerationUsage()).usage(),
        generation.request_id or reply.headers.get("x-request-id"),
    )


def stream(request: Request) -> MessageStream:
    return MessageStream(request, _frame)


def _frame(event: ServerSentEvent) -> Frame:
    told = checked(decode(Generation, event.data))
    if event.name == "error":
        raise task_fault(told.code, told.message or told.msg, told.request_id)
    choice = told.output.choices[0] if told.output and told.output.choices else GenerationChoice()
    message = choice.message or Message()
    return Frame(
        text=message.text,
        annotation=message.annotation,
        usage=told.usage.usage() if told.usage else None,
        request_id=told.request_id,
        last=choice.last,
    )
