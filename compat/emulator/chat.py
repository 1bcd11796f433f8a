"""POST /compatible-mode/v1/chat/completions for qwen3-asr-flash, plain and as server-sent events.

Model Studio's "Qwen-ASR API reference" (2026-01) and public field reports: the system message is context; the user
message holds exactly one audio part; language and emotion are annotations, in a stream on every chunk with text; the
usage chunk has no choices; `delta.role` is null after the first chunk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

import msgspec
from starlette.responses import Response

from compat.emulator import biasing, refusals, sse
from compat.emulator.engine import Sentence
from compat.emulator.families import LANGUAGES, Family, family
from compat.emulator.faults import SurfaceName
from compat.emulator.media import Sound
from compat.emulator.recognition import Recognition, sync_sound
from compat.emulator.refusals import Refusal
from compat.emulator.surface import ApiCall
from compat.emulator.text import audio_tokens, billed_seconds, deltas, joined_text, separator, text_tokens
from compat.emulator.translation import translate

BARE_SNAPSHOT = "qwen3-asr-flash-2026-02-10"  # neither annotations nor usage.seconds (measured by third parties)


class InputAudio(msgspec.Struct, frozen=True):
    data: str = ""


class ChatPart(msgspec.Struct, frozen=True):
    type: str = ""
    text: str | None = None
    input_audio: InputAudio | None = None


class ChatMessage(msgspec.Struct, frozen=True):
    role: Literal["system", "user", "assistant"]
    content: str | list[ChatPart] = ""


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool = False


class AsrOptions(msgspec.Struct, frozen=True):
    language: str | None = None
    enable_itn: bool = False


class ChatRequest(msgspec.Struct, frozen=True):
    model: str
    messages: list[ChatMessage]
    stream: bool = False
    stream_options: StreamOptions | None = None
    asr_options: AsrOptions = AsrOptions()


def surface(body: object) -> SurfaceName:
    """Return the surface of a request, because Qwen-MT shares the path."""
    model = body.get("model") if isinstance(body, dict) else None
    return "translate" if isinstance(model, str) and model.startswith("qwen-mt-") else "chat"


async def complete(call: ApiCall) -> Response:
    if call.surface == "translate":
        return await translate(call)
    ask = call.decode(ChatRequest)
    _check_model(ask.model, call.emulator.readings.retired)
    if ask.stream_options is not None and not ask.stream:
        raise refusals.invalid(
            "<400> InternalError.Algo.InvalidParameter: The 'stream_options' parameter is only "
            "allowed when 'stream' is true."
        )
    language = ask.asr_options.language
    if language and language not in LANGUAGES and call.emulator.readings.refuse_unknown_language:
        raise refusals.algorithm(f"Unsupported language: {language}")
    audio = _audio(ask.messages)
    biasing.check(call.body, ask.model)
    sound = await sync_sound(call, ask.model, audio, max_bytes=call.emulator.limits.sync_bytes)
    answer = _Completion(call, ask, sound)
    return await sse.answered(answer, sound, stream=ask.stream)


def _check_model(model: str, retired: frozenset[str]) -> None:
    known = family(model)
    if known is None:
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise Refusal(404, "ModelNotFound", message, compat="model_not_found")
    if model in retired:
        raise Refusal(403, "AccessDenied", "Access denied.", compat="access_denied")
    if known is Family.AUDIO3:
        raise refusals.algorithm("UNSUPPORTED_FORMAT: format is empty")
    if known is not Family.QWEN3:
        message = f"Unsupported model `{model}` for OpenAI compatibility mode."
        raise Refusal(404, "ModelNotFound", message, compat="model_not_supported")


def _audio(messages: list[ChatMessage]) -> str:
    users = [message for message in messages if message.role == "user"]
    parts = users[0].content if len(users) == 1 else []
    if isinstance(parts, str) or len(parts) != 1 or parts[0].input_audio is None:
        raise refusals.algorithm("The dedicated task `asr` of this model does not support this input.")
    return parts[0].input_audio.data


class _Completion:
    """One completion, whole or in chunks."""

    def __init__(self, call: ApiCall, ask: ChatRequest, sound: Sound) -> None:
        readings = call.emulator.readings
        self._call = call
        self._ask = ask
        self._recognition = Recognition(call.emulator, sound, biasing.hints(call.body, timed=False))
        self._annotated = readings.annotations and ask.model != BARE_SNAPSHOT
        self._timed = readings.seconds and ask.model != BARE_SNAPSHOT
        self._created = int(call.emulator.clock())

    async def whole(self) -> dict[str, Any]:
        sentences = [sentence async for sentence in self._recognition.sentences()]
        text = joined_text(sentences)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if self._annotated:
            message["annotations"] = self._annotations(sentences[0] if sentences else None)
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return self._envelope("chat.completion") | {"choices": [choice], "usage": self._usage(text)}

    def stream(self) -> AsyncIterator[bytes]:
        return sse.compat_stream(self._chunks(), self._call)

    async def _chunks(self) -> AsyncIterator[dict[str, Any]]:
        yield self._chunk({"content": "", "role": "assistant"})
        text = ""
        async for sentence in self._recognition.sentences():
            for delta in deltas(separator(text, sentence.text) + sentence.text):
                extra = {"annotations": self._annotations(sentence)} if self._annotated else {}
                text += delta
                yield self._chunk({**extra, "content": delta, "role": None})
        yield self._chunk({"role": None}, finish_reason="stop")
        if self._ask.stream_options is not None and self._ask.stream_options.include_usage:
            yield self._envelope("chat.completion.chunk") | {"choices": [], "usage": self._usage(text)}

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._envelope("chat.completion.chunk") | {"choices": [choice], "usage": None}

    def _envelope(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self._call.id}",
            "object": kind,
            "created": self._created,
            "model": self._ask.model,
            "system_fingerprint": None,
        }

    def _annotations(self, sentence: Sentence | None) -> list[dict[str, str | None]]:
        """Return the annotations. A requested language is returned unchanged."""
        annotated = sentence or Sentence(text="", begin_ms=0, end_ms=0)
        language = self._ask.asr_options.language or annotated.language
        return [{"type": "audio_info", "language": language, "emotion": annotated.emotion}]

    def _usage(self, text: str) -> dict[str, Any]:
        prompt_tokens, completion_tokens = audio_tokens(self._recognition.seconds), text_tokens(text)
        seconds = {"seconds": billed_seconds(self._recognition.seconds)} if self._timed else {}
        return {
            "prompt_tokens": prompt_tokens,
            "prompt_tokens_details": {"audio_tokens": prompt_tokens, "text_tokens": 0},
            "completion_tokens": completion_tokens,
            "completion_tokens_details": {"text_tokens": completion_tokens},
            "total_tokens": prompt_tokens + completion_tokens,
            **seconds,
        }
