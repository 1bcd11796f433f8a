"""Qwen-MT on the compatible surface: one text in, its translation out.

Exactly one user message and no system message; up to 8192 tokens each way. Streams are cumulative on some models, so it
is asked for whole. The source language is found by the model. (Model Studio "Qwen-MT API reference", 2026.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from compat.dashscope_api.calls import Call, Reply, json_call
from compat.dashscope_api.chat import URL, Completion
from compat.dashscope_api.faults import read
from compat.errors import ServiceFailed

LONGEST = 2000
"""Characters of one call: some scripts make three tokens of one, and the translation has to fit too."""
MOST_LINES = 40

_SENTENCE = re.compile("[.!?](?=\\s)\\s*|[\u3002\uff01\uff1f\u0964\u104b\u17d4]\\s*|\n+")
_SPACE = re.compile(r"\s+")


def call(text: str, *, model: str, target: str) -> Call:
    """`target` is an English language name or a code."""
    return json_call(
        URL,
        {
            "model": model,
            "messages": [{"role": "user", "content": text}],
            "translation_options": {"source_lang": "auto", "target_lang": target},
        },
        rate=model,
    )


def text(reply: Reply) -> str:
    """The translation. Raises the error that the answer is, and ServiceFailed for one that was cut for its length."""
    completion = read(Completion, reply)
    choice = completion.choices[0] if completion.choices else None
    if choice is None or choice.message is None:
        raise ServiceFailed("DashScope answered without a translation.")
    if choice.finish_reason == "length":
        raise ServiceFailed("DashScope's translation was cut for its length.")
    return choice.message.text


def chunks(whole: str) -> list[str]:
    """A text in parts that fit one call each, cut after sentences, else at spaces, else anywhere."""
    parts: list[str] = []
    while len(whole) > LONGEST:
        place = _last(_SENTENCE, whole) or _last(_SPACE, whole) or LONGEST
        parts.append(whole[:place].strip())
        whole = whole[place:]
    return [part for part in (*parts, whole.strip()) if part]


def _last(place: re.Pattern[str], whole: str) -> int:
    """Where the last match within reach ends; 0 where there is none."""
    return max((found.end() for found in place.finditer(whole, 0, LONGEST)), default=0)


def batches(texts: Sequence[str]) -> Iterator[list[int]]:
    """Which of the texts go in one call, as its lines: neighbours, by their places."""
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
    """A text as one line."""
    return " ".join(one.split())


def lines(answer: str, count: int) -> list[str] | None:
    """The translations of as many lines; None where the model has joined or split some, so that none can be trusted."""
    found = [one.strip() for one in answer.strip().splitlines()]
    return found if len(found) == count and all(found) else None
