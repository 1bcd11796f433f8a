"""Qwen-MT on the compatible surface: one text in, its translation out.

Exactly one user message and no system message; up to 8192 tokens each way. Streams are cumulative on some models, so it
is asked for whole. The source language is found by the model. (Model Studio "Qwen-MT API reference", 2026.)
"""

from __future__ import annotations

from compat.dashscope_api.calls import Call, Reply, json_call
from compat.dashscope_api.chat import URL, Completion
from compat.dashscope_api.faults import read
from compat.errors import ServiceFailed


def call(text: str, *, model: str, target: str) -> Call:
    """`target` is an English language name or a code."""
    return json_call(
        URL,
        {
            "model": model,
            "messages": [{"role": "user", "content": text}],
            "translation_options": {"source_lang": "auto", "target_lang": target},
        },
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
