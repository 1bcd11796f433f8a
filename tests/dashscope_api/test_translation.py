from __future__ import annotations

from typing import Any

import pytest

from compat.dashscope_api import translation
from compat.errors import BadRequest, CompatError, ServiceFailed
from tests.dashscope_api.asking import answer, json_of


def test_what_is_asked() -> None:
    call = translation.call("你好", model="qwen-mt-flash", target="English")

    assert ("POST", "/compatible-mode/v1/chat/completions") == (call.method, call.url)
    assert json_of(call) == {
        "model": "qwen-mt-flash",
        "messages": [{"role": "user", "content": "你好"}],
        "translation_options": {"source_lang": "auto", "target_lang": "English"},
    }


def translated(content: str, finish_reason: str = "stop") -> dict[str, Any]:
    return {"choices": [{"finish_reason": finish_reason, "message": {"role": "assistant", "content": content}}]}


def test_what_is_answered() -> None:
    assert translation.text(answer(translated("Hello"))) == "Hello"


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (translated("Hel", "length"), 200, ServiceFailed),
        ({"choices": []}, 200, ServiceFailed),
        ({"error": {"message": "unknown language", "code": "invalid_parameter_error"}}, 400, BadRequest),
    ],
)
def test_what_is_no_translation_is_raised(body: dict[str, Any], status: int, error: type[CompatError]) -> None:
    with pytest.raises(error):
        translation.text(answer(body, status))
