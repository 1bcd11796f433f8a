"""Qwen-MT on the compatible surface."""

from __future__ import annotations

from typing import Any

import pytest

from compat.emulator.readings import Readings
from tests.emulator.running import CHAT, Start, chunks

HELLO = {"role": "user", "content": "hello there my friend of old"}


@pytest.mark.parametrize(
    ("text", "target", "answer"),
    [
        ("Good morning.", "English", "Good morning."),
        ("Good morning.", "en", "Good morning."),
        ("早上好。", "English", "[English] 早上好。"),
        ("Good morning.", "French", "[French] Good morning."),
        ("Good morning.", "nl", "[nl] Good morning."),
        ("Good morning.", "Traditional Chinese", "[Traditional Chinese] Good morning."),
        ("One.\n二。", "English", "One.\n[English] 二。"),
    ],
)
def test_english_is_unchanged_and_other_languages_are_marked(start: Start, text: str, target: str, answer: str) -> None:
    body = {
        "model": "qwen-mt-flash",
        "messages": [{"role": "user", "content": text}],
        "translation_options": {"source_lang": "auto", "target_lang": target},
    }
    got = start().http.post(CHAT, json=body).json()

    assert got["choices"][0]["message"] == {"role": "assistant", "content": answer}
    assert got["usage"]["total_tokens"] == got["usage"]["prompt_tokens"] + got["usage"]["completion_tokens"]


def test_terms_are_replaced(start: Start) -> None:
    options = {"target_lang": "fr", "terms": [{"source": "morning", "target": "matin"}]}
    messages = [{"role": "user", "content": "Good morning."}]
    body = {"model": "qwen-mt-flash", "messages": messages, "translation_options": options}

    got = start().http.post(CHAT, json=body).json()
    assert got["choices"][0]["message"]["content"] == "[fr] Good matin."


@pytest.mark.parametrize(
    ("model", "readings", "cumulative"),
    [
        ("qwen-mt-turbo", Readings(), True),
        ("qwen-mt-plus", Readings(), True),
        ("qwen-mt-flash", Readings(), False),
        ("qwen-mt-lite", Readings(mt_flash_cumulative=True), True),
    ],
)
def test_a_stream(start: Start, model: str, readings: Readings, cumulative: bool) -> None:
    body = {"model": model, "messages": [HELLO], "translation_options": {"target_lang": "English"}, "stream": True}
    texts = [
        chunk["choices"][0]["delta"]["content"] for chunk in chunks(start(readings=readings).http.post(CHAT, json=body))
    ]

    if cumulative:
        assert texts == ["hello there my", HELLO["content"], HELLO["content"]]
    else:
        assert texts == ["hello there my", " friend of old", ""]


@pytest.mark.parametrize(
    ("messages", "options", "status"),
    [
        ([HELLO], None, 400),
        ([HELLO, HELLO], {"target_lang": "English"}, 400),
        ([], {"target_lang": "English"}, 400),
        ([{"role": "system", "content": "Be brief."}, HELLO], {"target_lang": "English"}, 500),
        ([{"role": "assistant", "content": "hello"}], {"target_lang": "English"}, 400),
        ([HELLO], {"target_lang": "Klingon"}, 400),
        ([HELLO], {"target_lang": "auto"}, 400),
        ([HELLO], {"target_lang": "fr", "terms": {"hello": "salut"}}, 400),
        ([HELLO], {"target_lang": "fr", "terms": [{"source": "hello"}]}, 400),
        ([HELLO], {"source_lang": "Klingon", "target_lang": "English"}, 400),
        ([{"role": "user", "content": "word " * 8193}], {"target_lang": "English"}, 400),
        ([{"role": "user", "content": "word " * 8192}], {"target_lang": "English"}, 200),
    ],
)
def test_invalid_requests_are_refused(
    start: Start, messages: list[Any], options: dict[str, Any] | None, status: int
) -> None:
    body = {"model": "qwen-mt-flash", "messages": messages}
    answer = start().http.post(CHAT, json=body if options is None else body | {"translation_options": options})

    assert answer.status_code == status
    assert ("error" in answer.json()) == (status != 200)


def test_an_unknown_model(start: Start) -> None:
    body = {"model": "qwen-mt-9", "messages": [HELLO], "translation_options": {"target_lang": "English"}}

    assert start().http.post(CHAT, json=body).json()["error"]["code"] == "model_not_found"
