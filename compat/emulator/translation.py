"""Qwen-MT on POST /compatible-mode/v1/chat/completions.

Model Studio's "Qwen-MT API reference" (2026): exactly one user message, `translation_options` at the top, 8192 tokens
of input. The emulator does not translate: English to English is returned as it is, all else is marked, and the words of
`terms` are replaced.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.responses import Response

from compat.emulator import refusals, sse
from compat.emulator.families import family
from compat.emulator.refusals import Refusal
from compat.emulator.surface import ApiCall
from compat.emulator.text import deltas, text_tokens

MAX_TOKENS = 8192
NAMES = frozenset(
    "English Chinese Cantonese Japanese Korean French Spanish German Italian Portuguese Russian Arabic Thai "
    "Vietnamese Indonesian Malay Turkish Polish Dutch Swedish Danish Finnish Icelandic Czech Ukrainian Hindi "
    "Tagalog Greek Hebrew Hungarian Romanian Burmese Tamil Urdu Bengali Khmer Lao Bulgarian Serbian Telugu "
    "Afrikaans Armenian Assamese Asturian Basque Belarusian Bosnian Catalan Cebuano Croatian Estonian Galician "
    "Georgian Gujarati Javanese Kannada Kazakh Latvian Lithuanian Luxembourgish Macedonian Maithili Maltese "
    "Marathi Nepali Occitan Odia Pangasinan Sicilian Sindhi Sinhala Slovak Slovenian Swahili Venetian "
    "Waray Welsh".lower().split()
) | {
    "traditional chinese", "north azerbaijani", "northern uzbek", "norwegian bokmål", "norwegian nynorsk",
    "tosk albanian", "western persian", "egyptian arabic", "mesopotamian arabic", "moroccan arabic", "najdi arabic",
    "north levantine arabic", "south levantine arabic", "ta'izzi-adeni arabic", "tunisian arabic",
}  # fmt: skip
CODES = frozenset(
    "en zh zh_tw yue ja ko fr es de it pt ru ar th vi id ms tr pl nl sv da fi is cs uk hi tl el he hu ro my ta ur "  # noqa: SIM905
    "bn km lo bg sr te af hy as ast eu be bs ca ceb hr et gl ka gu jv kn kk lv lt lb mk mai mt mr ne az uz nb nn "
    "oc or pag scn sd si sk sl sw sq vec war cy fa arz acm ary ars apc ajp acq aeb".split()
)
"""The 92 languages, by name and code."""


class MtMessage(msgspec.Struct, frozen=True):
    role: str
    content: str


class MtTerm(msgspec.Struct, frozen=True):
    source: str
    target: str


class TranslationOptions(msgspec.Struct, frozen=True):
    target_lang: str
    source_lang: str = "auto"
    terms: list[MtTerm] = []


class MtStreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool = False


class MtRequest(msgspec.Struct, frozen=True):
    model: str
    messages: list[MtMessage]
    translation_options: TranslationOptions
    stream: bool = False
    stream_options: MtStreamOptions | None = None


async def translate(call: ApiCall) -> Response:
    body = call.body
    if isinstance(body, dict) and "translation_options" not in body:
        raise refusals.algorithm("translation_options is required")
    ask = call.decode(MtRequest)
    text = _text(ask)
    answer = translation(text, ask.translation_options)
    if ask.stream:
        return sse.streaming(sse.compat_stream(_chunks(call, ask, answer), call))
    message = {"role": "assistant", "content": answer}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    envelope = _envelope(call, ask, "chat.completion")
    return refusals.json_response(envelope | {"choices": [choice], "usage": _usage(text, answer)})


def translation(text: str, options: TranslationOptions) -> str:
    """Return each line unchanged for English to English, otherwise prefixed with the target language: `[French] …`."""
    english = options.target_lang.lower() in {"english", "en"}
    mark = "English" if english else options.target_lang
    return "\n".join(
        ("" if english and line.isascii() else f"[{mark}] ") + _replaced(line, options.terms)
        for line in text.split("\n")
    )


def _replaced(line: str, terms: list[MtTerm]) -> str:
    for term in terms:
        line = line.replace(term.source, term.target)
    return line


def _text(ask: MtRequest) -> str:
    if family(ask.model) is None:
        message = f"The model `{ask.model}` does not exist or you do not have access to it."
        raise Refusal(404, "ModelNotFound", message, compat="model_not_found")
    if any(message.role not in {"user", "assistant"} for message in ask.messages):
        message = "<500> InternalError.Algo: Role must be in [user, assistant]"
        raise Refusal(500, "InternalError.Algo", message, compat="internal_error")
    if len(ask.messages) != 1 or ask.messages[0].role != "user":
        raise refusals.algorithm("Exactly one user message is expected")
    options = ask.translation_options
    for language in {options.target_lang, options.source_lang} - {"auto"}:
        if language.lower() not in NAMES | CODES:
            raise refusals.algorithm(f"Unsupported language: {language}")
    if options.target_lang == "auto":
        raise refusals.algorithm("Unsupported language: auto")
    text = ask.messages[0].content
    if not 1 <= text_tokens(text) <= MAX_TOKENS:
        raise refusals.algorithm(f"Range of input length should be [1, {MAX_TOKENS}]")
    return text


async def _chunks(call: ApiCall, ask: MtRequest, answer: str) -> AsyncIterator[dict[str, Any]]:
    """Yield the chunks. plus and turbo repeat the whole text so far in each (field reports); flash and lite by
    reading."""
    cumulative = ask.model.startswith(("qwen-mt-plus", "qwen-mt-turbo")) or call.emulator.readings.mt_flash_cumulative
    so_far = ""
    for delta in deltas(answer):
        so_far += delta
        yield _chunk(call, ask, {"content": so_far if cumulative else delta, "role": "assistant"})
    yield _chunk(call, ask, {"content": so_far if cumulative else "", "role": None}, finish_reason="stop")
    if ask.stream_options is not None and ask.stream_options.include_usage:
        usage = _usage(ask.messages[0].content, answer)
        yield _envelope(call, ask, "chat.completion.chunk") | {"choices": [], "usage": usage}


def _chunk(call: ApiCall, ask: MtRequest, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _envelope(call, ask, "chat.completion.chunk") | {"choices": [choice], "usage": None}


def _envelope(call: ApiCall, ask: MtRequest, kind: str) -> dict[str, Any]:
    created = int(call.emulator.clock())
    return {"id": f"chatcmpl-{call.id}", "object": kind, "created": created, "model": ask.model}


def _usage(text: str, answer: str) -> dict[str, int]:
    prompt_tokens, completion_tokens = text_tokens(text), text_tokens(answer)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
