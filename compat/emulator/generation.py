"""POST /api/v1/services/aigc/multimodal-generation/generation for qwen3-asr-flash, plain and as an event stream.

Model Studio's "Qwen-ASR API reference" (2026-01) and the official Python package's parser of native streams: frames of
`id`, `event`, a status and `data`; no [DONE]; `finish_reason` "null" until "stop"; an `event:error` may follow HTTP
200. With `incremental_output` each frame has only new text, without it the whole text so far.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

import msgspec
from starlette.responses import Response

from compat.emulator import biasing, generation_audio, refusals, sse
from compat.emulator.engine import Sentence
from compat.emulator.families import LANGUAGES, Family, family
from compat.emulator.media import Sound
from compat.emulator.recognition import Recognition, sync_sound
from compat.emulator.refusals import Refusal
from compat.emulator.surface import ApiCall
from compat.emulator.text import billed_seconds, deltas, joined_text, separator, text_tokens


class NativePart(msgspec.Struct, frozen=True):
    text: str | None = None
    audio: str | None = None


class NativeMessage(msgspec.Struct, frozen=True):
    role: Literal["system", "user", "assistant"]
    content: list[NativePart] | str = ""


class NativeInput(msgspec.Struct, frozen=True):
    messages: list[NativeMessage]


class NativeAsrOptions(msgspec.Struct, frozen=True):
    language: str | None = None
    enable_itn: bool = False


class NativeParameters(msgspec.Struct, frozen=True):
    asr_options: NativeAsrOptions = NativeAsrOptions()
    incremental_output: bool = False


class GenerationRequest(msgspec.Struct, frozen=True):
    model: str
    input: NativeInput
    parameters: NativeParameters = NativeParameters()


async def generate(call: ApiCall) -> Response:
    try:
        return await _generate(call)
    except Refusal as refusal:
        if not (call.streams and call.emulator.readings.refusal_in_stream):
            raise
        return sse.streaming(_refused(call, refusal))


async def _refused(call: ApiCall, refusal: Refusal) -> AsyncIterator[bytes]:
    yield sse.refused(1, refusal, call.id, call.emulator.readings)


async def _generate(call: ApiCall) -> Response:
    call.require("model", "input")
    model = call.body.get("model") if isinstance(call.body, dict) else None
    if _check_model(call, model if isinstance(model, str) else "") is Family.AUDIO3:
        return await generation_audio.generate(call)
    ask = call.decode(GenerationRequest)
    language = ask.parameters.asr_options.language
    if language and language not in LANGUAGES and call.emulator.readings.refuse_unknown_language:
        raise refusals.algorithm(f"Unsupported language: {language}")
    audio = _audio(ask)
    biasing.check(call.body, ask.model)
    sound = await sync_sound(call, ask.model, audio, max_bytes=call.emulator.limits.sync_bytes)
    answer = _Generation(call, ask, sound)
    return await sse.answered(answer, sound, stream=call.streams)


def _check_model(call: ApiCall, model: str) -> Family:
    known = family(model)
    if known is None or known is Family.MT:
        raise refusals.invalid("Model not exist.")
    if model in call.emulator.readings.retired:
        raise Refusal(403, "AccessDenied", "Access denied.")
    if known.takes_files:
        raise Refusal(403, "AccessDenied", "current user api does not support synchronous calls.")
    if call.flag("x-dashscope-async"):
        raise Refusal(403, "AccessDenied", "current user api does not support asynchronous calls.")
    return known


def _audio(ask: GenerationRequest) -> str:
    users = [message for message in ask.input.messages if message.role == "user"]
    parts = users[0].content if len(users) == 1 else []
    if isinstance(parts, str) or len(parts) != 1 or parts[0].audio is None:
        raise refusals.algorithm("The dedicated task `asr` of this model does not support this input.")
    return parts[0].audio


class _Generation:
    """One generation, whole or in frames."""

    def __init__(self, call: ApiCall, ask: GenerationRequest, sound: Sound) -> None:
        self._call = call
        self._readings = call.emulator.readings
        self._options = ask.parameters
        self._recognition = Recognition(call.emulator, sound, biasing.hints(call.body, timed=False))

    async def whole(self) -> dict[str, Any]:
        sentences = [sentence async for sentence in self._recognition.sentences()]
        text = joined_text(sentences)
        return self._body(text, text, sentences[0] if sentences else None, "stop")

    def stream(self) -> AsyncIterator[bytes]:
        return sse.native_stream(self._frames(), self._call)

    async def _frames(self) -> AsyncIterator[dict[str, Any]]:
        unfinished = "null" if self._readings.finish_reason_string else None
        text, last = "", None
        async for sentence in self._recognition.sentences():
            last = sentence
            for delta in deltas(separator(text, sentence.text) + sentence.text):
                text += delta
                yield self._body(delta if self._options.incremental_output else text, text, sentence, unfinished)
        yield self._body("" if self._options.incremental_output else text, text, last, "stop")

    def _body(self, shown: str, text: str, sentence: Sentence | None, finish_reason: str | None) -> dict[str, Any]:
        annotated = sentence or Sentence(text="", begin_ms=0, end_ms=0)
        language = self._options.asr_options.language or annotated.language
        silent = [] if self._readings.silence_content_empty_list else [{"text": ""}]
        message = {
            "role": "assistant",
            "content": [{"text": shown}] if shown else silent,
            "annotations": [{"type": "audio_info", "language": language, "emotion": annotated.emotion}],
        }
        usage = {
            "input_tokens_details": {"text_tokens": 0},
            "output_tokens_details": {"text_tokens": text_tokens(text)},
            "seconds": billed_seconds(self._recognition.seconds),
        }
        output = {"choices": [{"finish_reason": finish_reason, "message": message}]}
        return {"request_id": self._call.id, "output": output, "usage": usage}
