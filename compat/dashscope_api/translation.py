"""Text translation with Qwen-MT: POST /compatible-mode/v1/chat/completions.

A request has exactly one user message and no system message; input and output are limited to 8192 tokens each. The
model detects the source language. Responses are not streamed, because some models stream snapshots instead of deltas.
(Model Studio "Qwen-MT API reference", 2026.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from compat import languages
from compat.dashscope_api.calls import Call, Reply, json_call
from compat.dashscope_api.chat import URL, Completion
from compat.dashscope_api.faults import read
from compat.errors import ServiceFailed

LONGEST = 2000
"""Maximum characters per call. In some scripts a character takes three tokens, and the translation must fit too."""
MOST_LINES = 40

_NAMES = {
    "az": "North Azerbaijani",
    "fa": "Western Persian",
    "my": "Burmese",
    "no": "Norwegian Bokmål",
    "sq": "Tosk Albanian",
    "uz": "Northern Uzbek",
}
"""Qwen-MT's names of languages that have another one in Whisper (Model Studio "Qwen-MT", 2026: 92 languages)."""

_SENTENCE = re.compile("[.!?](?=\\s)\\s*|[\u3002\uff01\uff1f\u0964\u104b\u17d4]\\s*|\n+")
_SPACE = re.compile(r"\s+")


def call(
    text: str, *, model: str, target: str, source: str | None = None, terms: Mapping[str, str] | None = None
) -> Call:
    """Return the request to translate `text`. `target` and `source` are codes of compat.languages; without `source`,
    the model detects it. `terms` maps phrases to their translations; those that the text has are sent, because each
    costs tokens."""
    options: dict[str, object] = {"source_lang": name(source) if source else "auto", "target_lang": name(target)}
    used = [{"source": source, "target": wanted} for source, wanted in (terms or {}).items() if _has(text, source)]
    if used:
        options["terms"] = used
    body = {"model": model, "messages": [{"role": "user", "content": text}], "translation_options": options}
    return json_call(URL, body, rate=model)


def name(code: str) -> str:
    """Return Qwen-MT's English name of a language."""
    return _NAMES.get(code) or languages.name(code).title()


def _has(text: str, phrase: str) -> bool:
    phrase = phrase.strip().casefold()
    return bool(phrase) and phrase in text.casefold()


def text(reply: Reply) -> str:
    """Return the translation. Raises the error in the response, if any, and ServiceFailed if it was truncated."""
    completion = read(Completion, reply)
    choice = completion.choices[0] if completion.choices else None
    if choice is None or choice.message is None:
        raise ServiceFailed("DashScope's response has no translation.")
    if choice.finish_reason == "length":
        raise ServiceFailed("DashScope truncated the translation because of its length.")
    return choice.message.text


def chunks(whole: str) -> list[str]:
    """Split a text into parts that fit one call each: after a sentence, else at a space, else anywhere."""
    parts: list[str] = []
    while len(whole) > LONGEST:
        place = _last(_SENTENCE, whole) or _last(_SPACE, whole) or LONGEST
        parts.append(whole[:place].strip())
        whole = whole[place:]
    return [part for part in (*parts, whole.strip()) if part]


def _last(place: re.Pattern[str], whole: str) -> int:
    """Return the end of the last match in the first LONGEST characters, or 0 if there is none."""
    return max((match.end() for match in place.finditer(whole, 0, LONGEST)), default=0)


def batches(texts: Sequence[str]) -> Iterator[list[int]]:
    """Group consecutive texts that fit one call, one line each. Yields lists of indexes into `texts`."""
    batch: list[int] = []
    size = 0
    for place, one in enumerate(texts):
        if batch and (size + len(one) > LONGEST or len(batch) == MOST_LINES):
            yield batch
            batch, size = [], 0
        batch.append(place)
        size += len(one) + 1
    if batch:
        yield batch


def line(one: str) -> str:
    """Return the text on one line, with whitespace collapsed."""
    return " ".join(one.split())


def lines(answer: str, count: int) -> list[str] | None:
    """Split a translation into its `count` lines.

    Returns None if the number differs: the model has joined or split lines, so they no longer match their sources.
    """
    translated = [one.strip() for one in answer.strip().splitlines()]
    return translated if len(translated) == count and all(translated) else None
