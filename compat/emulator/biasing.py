"""Context and hot words in the requests of the HTTP surfaces: where each model takes them. Other places are refused.

Model Studio's pages on the HTTP APIs of qwen3-asr, fun-asr, paraformer and qwen-audio-3 (2026-08 to 2026-10). The pages
do not say how the service reacts to another place; the emulator is strict, so that a mistake is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from compat.emulator import refusals
from compat.emulator.engine import Hints

SYSTEM, MESSAGES, CONTEXT = "a system message", "a message before the audio", "input.context"
TEXT, WORDS, STORED, PHRASES = "corpus", "vocabulary", "vocabulary_id", "resources"
_PARAMETERS = ("context", TEXT, WORDS, STORED, "phrase_id")
TAKEN: tuple[tuple[str, frozenset[str]], ...] = (
    (r"qwen3-asr-flash-filetrans.*", frozenset({TEXT})),
    (r"qwen3-asr-flash.*", frozenset({SYSTEM})),
    (r"qwen-audio-3\..*-filetrans", frozenset({CONTEXT, WORDS, STORED})),
    (r"qwen-audio-3\..*", frozenset({MESSAGES, WORDS, STORED})),
    (r"fun-asr-flash-.*", frozenset({MESSAGES, STORED})),
    (r"fun-asr.*", frozenset({STORED})),
    (r"paraformer-(8k-|mtl-)?v1", frozenset({PHRASES})),
    (r"paraformer-.*", frozenset({STORED})),
)
"""The places by model; the first match wins."""


def check(body: object, model: str) -> None:
    """Raise Refusal for context or hot words at a place where the model does not take them."""
    taken = next((places for pattern, places in TAKEN if re.fullmatch(pattern, model)), frozenset())
    for place in _given(_object(body)):
        if place not in taken:
            raise refusals.invalid(f"{place} is not supported by this model")


def hints(body: object, *, timed: bool = True) -> Hints:
    """Return the language, context and hot words in a request, wherever the model takes them. `timed`: the response has
    the times of words."""
    request = _object(body)
    given, parameters = _object(request.get("input")), _object(request.get("parameters"))
    texts = [
        str(part["text"])
        for message in [*_list(request.get("messages")), *_list(given.get("messages")), *_list(given.get("context"))]
        for part in _parts(_object(message))
        if part.get("text")
    ]
    corpus = _object(parameters.get("corpus")).get("text")
    options = _object(request.get("asr_options")) or _object(parameters.get("asr_options"))
    named = [*_list(parameters.get("language_hints")), options.get("language"), parameters.get("language")]
    return Hints(
        language=next((language for language in named if isinstance(language, str) and language), None),
        context="\n".join([*texts, *([corpus] if isinstance(corpus, str) else [])]),
        words=tuple(map(str, _object(parameters.get("vocabulary")))),
        timed=timed,
    )


def _given(body: dict[str, Any]) -> Iterator[str]:
    given, parameters = _object(body.get("input")), _object(body.get("parameters"))
    for message in [*_list(body.get("messages")), *_list(given.get("messages"))]:
        yield from _text_places(_object(message))
    if given.get("context") is not None:
        yield CONTEXT
    if body.get("resources") is not None or parameters.get("resources") is not None:
        yield PHRASES
    options = [_object(holder.get("asr_options")) for holder in (body, parameters)]
    for holder in (body, parameters, *options):
        yield from (name for name in _PARAMETERS if holder.get(name) is not None)


def _text_places(message: dict[str, Any]) -> Iterator[str]:
    """Yield the place of the text in a message, if it has any."""
    if any(part.get("text") for part in _parts(message)):
        yield SYSTEM if message.get("role") == "system" else MESSAGES


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return [{"text": content}] if isinstance(content, str) else [_object(part) for part in _list(content)]


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
