from __future__ import annotations

from typing import Any

import pytest

from compat.dashscope_api import translation
from compat.errors import BadRequest, CompatError, ServiceFailed
from tests.dashscope_api.support import answer, json_of


def test_the_request() -> None:
    call = translation.call("你好", model="qwen-mt-flash", target="en")

    assert ("POST", "/compatible-mode/v1/chat/completions") == (call.method, call.url)
    assert json_of(call) == {
        "model": "qwen-mt-flash",
        "messages": [{"role": "user", "content": "你好"}],
        "translation_options": {"source_lang": "auto", "target_lang": "English"},
    }


@pytest.mark.parametrize(
    ("code", "name"),
    [("zh", "Chinese"), ("zh-tw", "Traditional Chinese"), ("no", "Norwegian Bokmål"), ("fil", "Tagalog"),
     ("fa", "Western Persian"), ("my", "Burmese"), ("ceb", "Cebuano")],
)  # fmt: skip
def test_the_target_has_qwen_mt_s_name(code: str, name: str) -> None:
    call = translation.call("Hello.", model="qwen-mt-flash", target=code)
    assert json_of(call)["translation_options"] == {"source_lang": "auto", "target_lang": name}


def test_a_known_source_is_named() -> None:
    call = translation.call("Hallo.", model="qwen-mt-flash", target="en", source="de")
    assert json_of(call)["translation_options"] == {"source_lang": "German", "target_lang": "English"}


def test_terms_that_the_text_has_are_sent() -> None:
    terms = {"model studio": "百炼", "river": "河", " ": "空", "": "无"}
    call = translation.call("Model Studio is here.", model="qwen-mt-flash", target="zh", terms=terms)

    used = [{"source": "model studio", "target": "百炼"}]
    assert json_of(call)["translation_options"] == {"source_lang": "auto", "target_lang": "Chinese", "terms": used}


def translated(content: str, finish_reason: str = "stop") -> dict[str, Any]:
    return {"choices": [{"finish_reason": finish_reason, "message": {"role": "assistant", "content": content}}]}


def test_the_translation_is_the_text_of_the_message() -> None:
    assert translation.text(answer(translated("Hello"))) == "Hello"


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (translated("Hel", "length"), 200, ServiceFailed),
        ({"choices": []}, 200, ServiceFailed),
        ({"error": {"message": "unknown language", "code": "invalid_parameter_error"}}, 400, BadRequest),
    ],
)
def test_a_response_without_a_whole_translation_raises(
    body: dict[str, Any], status: int, error: type[CompatError]
) -> None:
    with pytest.raises(error):
        translation.text(answer(body, status))


SENTENCE = "Never mind. "


def test_a_short_text_is_not_split() -> None:
    assert ["Never mind."] == translation.chunks(SENTENCE)
    assert [] == translation.chunks(" \n")


@pytest.mark.parametrize("text", [SENTENCE * 1000, "没关系。" * 3000, "word " * 3000, "字" * 9000])
def test_a_long_text_is_split_at_sentences_without_loss(text: str) -> None:
    parts = translation.chunks(text)

    assert all(0 < len(part) <= translation.LONGEST for part in parts)
    assert "".join(text.split()) == "".join("".join(parts).split())
    if "word" not in text and "字" not in text:
        assert all(part.endswith((".", "。")) for part in parts)


def test_consecutive_texts_share_a_batch_up_to_its_bounds() -> None:
    texts = ["a"] * 100 + ["b" * 1999, "c", "d" * 3000, "e"]

    batches = list(translation.batches(texts))

    assert list(range(len(texts))) == [place for batch in batches for place in batch]
    assert [40, 40, 20, 1, 1, 1, 1] == [len(batch) for batch in batches]


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        ("one\ntwo", ["one", "two"]),
        (" one \r\ntwo\n", ["one", "two"]),
        ("one two", None),
        ("one\n\ntwo", None),
        ("one\ntwo\nthree", None),
    ],
)
def test_lines_are_returned_only_if_their_number_matches(answer: str, lines: list[str] | None) -> None:
    assert lines == translation.lines(answer, 2)


def test_a_text_becomes_one_line() -> None:
    assert "one two" == translation.line(" one\ntwo ")
