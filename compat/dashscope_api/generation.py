"""Surface `generation`: POST /api/v1/services/aigc/multimodal-generation/generation, for `qwen3-asr-flash*`.

It is the only surface in the US region. Its limits are those of `chat`; responses have no timestamps. A stream
(`X-DashScope-SSE`) has no [DONE]: the last frame has the `finish_reason` "stop", earlier ones the string "null". Errors
arrive as `event:error` with HTTP 200. (Model Studio "Qwen-ASR API reference" and its non-realtime guide, 2026;
dashscope 2.0.2.)
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
    """Usage of a response. `seconds` is the billed duration; the other members vary by snapshot."""

    seconds: float | None = None
    input_tokens_details: TokenDetails | None = None
    output_tokens_details: TokenDetails | None = None

    def usage(self) -> Usage:
        sent, received = self.input_tokens_details or TokenDetails(), self.output_tokens_details or TokenDetails()
        return Usage(
            seconds=sent.seconds if self.seconds is None else self.seconds,
            audio_tokens=sent.audio_tokens,
            text_tokens=sent.text_tokens,
            output_tokens=received.text_tokens,
        )


class Generation(Answer, frozen=True, kw_only=True):
    output: GenerationOutput | None = None
    usage: GenerationUsage | None = None


def call(request: Request, *, stream: bool) -> Call:
    """Return the HTTP request for a transcription."""
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
    """Return the transcript in a response; its text is empty for silence. Raises the error in the response, if any."""
    generation = read(Generation, reply)
    choice = generation.output.choices[0] if generation.output and generation.output.choices else GenerationChoice()
    if choice.message is None:
        raise ServiceFailed("DashScope's response has no message.")
    message = choice.message
    return transcribed(
        request,
        message.text,
        message.annotation or Annotation(),
        (generation.usage or GenerationUsage()).usage(),
        generation.request_id or reply.headers.get("x-request-id"),
        choice.finish_reason,
    )


def stream(request: Request) -> MessageStream:
    """Return a decoder for the streamed response."""
    return MessageStream(request, _frame)


def _frame(event: ServerSentEvent) -> Frame:
    chunk = checked(decode(Generation, event.data))
    if event.name == "error":
        raise task_fault(chunk.code, chunk.message or chunk.msg, chunk.request_id)
    choice = chunk.output.choices[0] if chunk.output and chunk.output.choices else GenerationChoice()
    message = choice.message
    return Frame(
        message=message is not None,
        text=message.text if message else "",
        annotation=message.annotation if message else None,
        usage=chunk.usage.usage() if chunk.usage else None,
        request_id=chunk.request_id,
        finish_reason=choice.finish_reason if choice.last else None,
        last=choice.last,
    )
