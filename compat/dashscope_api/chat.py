"""Surface `chat`: POST /compatible-mode/v1/chat/completions, for `qwen3-asr-flash*`, up to 5 minutes and 10 MB.

A request has exactly one user message with exactly one `input_audio`. A system message serves as context, never as an
instruction. Responses have no timestamps. Streamed chunks are deltas; every chunk repeats `annotations`, and the usage
chunk has no choices. Snapshot 2026-02-10 returns neither annotations nor `usage.seconds`. (Model Studio "Qwen-ASR API
reference" and its non-realtime guide, 2026.)
"""

from __future__ import annotations

from typing import Any

import msgspec

from compat.dashscope_api.calls import Call, Reply
from compat.dashscope_api.faults import Answer, checked, decode, read
from compat.dashscope_api.inline import data_uri, inline_call
from compat.dashscope_api.messages import Annotation, Frame, Message, MessageStream, TokenDetails, transcribed
from compat.dashscope_api.sse import ServerSentEvent
from compat.errors import ServiceFailed
from compat.transcript import Request, Transcript, Usage

URL = "/compatible-mode/v1/chat/completions"


class ChatUsage(msgspec.Struct, frozen=True):
    """Usage of a completion. `seconds` is the billed duration."""

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
    """A `chat.completion`, or a `chat.completion.chunk`, whose choices have `delta` instead of `message`."""

    choices: tuple[Choice, ...] = ()
    usage: ChatUsage | None = None


def call(request: Request, *, stream: bool) -> Call:
    """Return the HTTP request for a transcription."""
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
    """Return the transcript in a response; its text is empty for silence. Raises the error in the response, if any."""
    completion = read(Completion, reply)
    if not completion.choices or completion.choices[0].message is None:
        raise ServiceFailed("DashScope's response has no message.")
    message, reason = completion.choices[0].message, completion.choices[0].finish_reason
    counts = completion.usage or ChatUsage()
    request_id = completion.request_id or reply.headers.get("x-request-id") or completion.id
    return transcribed(request, message.text, message.annotation or Annotation(), counts.usage(), request_id, reason)


def stream(request: Request) -> MessageStream:
    """Return a decoder for the streamed response."""
    return MessageStream(request, _frame)


def _frame(event: ServerSentEvent) -> Frame:
    data = event.data.strip()
    if data == b"[DONE]":
        return Frame(last=True)
    chunk = checked(decode(Completion, data))
    choice = chunk.choices[0] if chunk.choices else Choice()
    message = choice.delta or choice.message  # a gateway that does not stream sends the whole message
    return Frame(
        message=message is not None,
        text=message.text if message else "",
        annotation=message.annotation if message else None,
        usage=chunk.usage.usage() if chunk.usage else None,
        request_id=chunk.request_id or chunk.id,
        finish_reason=choice.finish_reason,
        last=bool(choice.finish_reason),
    )
