"""Bodies and queries of /v1/dashscope/vocabularies."""

from __future__ import annotations

import pytest

from compat.catalogue.vocabularies import HotWord, Vocabulary
from compat.errors import BadRequest
from compat.openai_api import vocabularies
from compat.openai_api.vocabularies import Creation, Page, Update

WORDS: list[tuple[str, list[HotWord]]] = [
    ('["Qwen", "通义"]', [HotWord("Qwen"), HotWord("通义")]),
    ('[{"text": "Qwen", "weight": 5, "lang": "en"}, "Ada"]', [HotWord("Qwen", 5, "en"), HotWord("Ada")]),
    ('[{"text": "Qwen", "lang": null}]', [HotWord("Qwen")]),
    ('{"Qwen": 5, "Ada": 1}', [HotWord("Qwen", 5), HotWord("Ada", 1)]),
    ("[]", []),
]


@pytest.mark.parametrize(("json", "words"), WORDS)
def test_words_are_read_in_every_notation(json: str, words: list[HotWord]) -> None:
    assert words == vocabularies.body(f'{{"vocabulary": {json}}}'.encode(), Update).words
    assert words == vocabularies.words(json.encode())
    assert words == vocabularies.words(f'{{"id": "vocab-1", "vocabulary": {json}}}'.encode())


def test_a_new_vocabulary_has_a_target_and_a_prefix() -> None:
    made = vocabularies.body(b'{"target_model": "fun-asr", "prefix": "books", "vocabulary": ["Qwen"]}', Creation)

    assert ("fun-asr", "books", [HotWord("Qwen")]) == (made.target_model, made.prefix, made.words)


BROKEN = [
    (b"", "vocabulary"),
    (b"{", None),
    (b"[]", None),
    (b'{"vocabulary": 5}', "vocabulary"),
    (b'{"vocabulary": [5]}', "vocabulary[0]"),
    (b'{"vocabulary": ["Ada", {"weight": 5}]}', "vocabulary[1].text"),
    (b'{"vocabulary": [{"text": "secret", "weight": "5"}]}', "vocabulary[0].weight"),
    (b'{"vocabulary": [{"text": "secret", "weight": 4.5}]}', "vocabulary[0].weight"),
    (b'{"vocabulary": [{"text": "secret", "langue": "en"}]}', "vocabulary[0]"),
    (b'{"vocabulary": [{"secret": 5}]}', "vocabulary[0]"),
    (b'{"vocabulary": [{"text": "a", "secret": 5}]}', "vocabulary[0]"),
    (b'{"vocabulary": {"secret": "5"}}', "vocabulary"),
    (b'{"vocabulary": [], "words": []}', None),
]


@pytest.mark.parametrize(("json", "param"), BROKEN)
def test_an_invalid_body_names_the_field_and_never_a_word(json: bytes, param: str | None) -> None:
    with pytest.raises(BadRequest) as refused:
        vocabularies.body(json, Update)

    assert param == refused.value.param
    assert "secret" not in refused.value.message


PAGES: list[tuple[list[tuple[str, str]], Page | str]] = [
    ([], Page()),
    ([("limit", "5"), ("order", "asc")], Page(limit=5, ascending=True)),
    ([("after", "v"), ("prefix", "books"), ("api-version", "1")], Page(after="v", prefix="books")),
    ([("limit", "")], Page()),
    ([("limit", "0")], "limit"),
    ([("limit", "101")], "limit"),
    ([("limit", "٣")], "limit"),
    ([("order", "up")], "order"),
    ([("limit", "1"), ("limit", "2")], "limit"),
    ([("after", "v"), ("after", "v ")], Page(after="v")),
    ([("prefix", "a"), ("prefix", "")], "prefix"),
    ([("before", "v")], "before"),
]


@pytest.mark.parametrize(("query", "page"), PAGES)
def test_a_query_selects_a_page(query: list[tuple[str, str]], page: Page | str) -> None:
    if isinstance(page, Page):
        assert page == vocabularies.page(query)
        return
    with pytest.raises(BadRequest) as refused:
        vocabularies.page(query)
    assert page == refused.value.param


EVERY = [Vocabulary(id=name) for name in "abcde"]


@pytest.mark.parametrize(
    ("page", "ids", "more"),
    [
        (Page(limit=2), "ab", True),
        (Page(limit=2, after="b"), "cd", True),
        (Page(limit=2, after="d"), "e", False),
        (Page(after="e"), "", False),
        (Page(limit=3, ascending=True), "edc", True),
        (Page(limit=3, after="c", ascending=True), "ba", False),
    ],
)
def test_pages_continue_after_an_id(page: Page, ids: str, more: bool) -> None:
    found, rest = vocabularies.cut(EVERY, page)

    assert (ids, more) == ("".join(each.id for each in found), rest)


def test_an_unknown_id_to_continue_after_is_refused() -> None:
    with pytest.raises(BadRequest) as refused:
        vocabularies.cut(EVERY, Page(after="x"))
    assert "after" == refused.value.param
