"""How prompt and keywords are sent to each model, and which parts are left out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.catalogue import roads
from compat.catalogue.biasing import ROUND, ROUNDS, WORDS, hot_words, rounds, shortened
from compat.transcript import Ask, ResponseFormat
from tests.catalogue.test_models import media

PROMPT, KEYWORDS = "A talk by Ada.", ("Qwen", "通义千问", "a b c d e f g h", "超过十五个字符的词就不能作为热词了吧")
BOTH = "A talk by Ada.\nQwen, 通义千问, a b c d e f g h, 超过十五个字符的词就不能作为热词了吧"
REST = "A talk by Ada.\na b c d e f g h, 超过十五个字符的词就不能作为热词了吧"
HOT = {"Qwen": 4, "通义千问": 4}
PLACES: list[tuple[str, ResponseFormat, str, dict[str, int] | None, tuple[str, ...]]] = [
    # model, format → context, hot words, ignored
    ("whisper-1", "json", BOTH, None, ()),
    ("whisper-1", "srt", BOTH, None, ()),
    ("qwen3-asr-flash", "json", BOTH, None, ()),
    ("qwen3-asr-flash-filetrans", "json", BOTH, None, ()),
    ("qwen-audio-3.1-asr-flash", "json", REST, HOT, ()),
    ("qwen-audio-3.0-asr-flash", "srt", REST, HOT, ()),
    ("qwen-audio-3.1-asr-flash-filetrans", "json", REST, HOT, ()),
    ("fun-asr-flash-2026-06-15", "json", BOTH, None, ()),
    ("fun-asr", "json", "", None, ("prompt", "keywords")),
    ("gpt-4o-transcribe-diarize", "diarized_json", "", None, ("prompt", "keywords")),
    ("paraformer-v2", "json", "", None, ("prompt", "keywords")),
]


def sent(ask: Ask) -> tuple[str, Any, tuple[str, ...]]:
    road = roads.road(ask, media(), region="beijing", aliases={}, longest=3600)
    request, ignored = roads.request(ask, media(), road)
    return request.context, request.options.get("vocabulary"), ignored


@pytest.mark.parametrize(("model", "form", "context", "vocabulary", "ignored"), PLACES)
def test_prompt_and_keywords_are_sent_in_the_form_that_the_model_accepts(
    model: str, form: ResponseFormat, context: str, vocabulary: dict[str, int] | None, ignored: tuple[str, ...]
) -> None:
    ask = Ask(model=model, response_format=form, prompt=PROMPT, keywords=KEYWORDS)

    assert (context, vocabulary, ignored) == sent(ask)


def test_a_vocabulary_sets_the_weights_of_hot_words() -> None:
    ask = Ask(
        model="qwen-audio-3.1-asr-flash",
        keywords=("Qwen", "Ada"),
        extensions={"vocabulary": ('{"Ada": 50, "Eve": 1}',)},
    )

    assert ("", {"Qwen": 4, "Ada": 50, "Eve": 1}, ()) == sent(ask)


def test_hot_words_beyond_the_limit_are_context() -> None:
    weighted = "{" + ", ".join(f'"known{n}": 5' for n in range(WORDS - 1)) + "}"
    ask = Ask(
        model="qwen-audio-3.1-asr-flash", keywords=("Qwen", "Ada", "known0"), extensions={"vocabulary": (weighted,)}
    )
    context, vocabulary, named = sent(ask)

    assert ("Ada", WORDS, 5, 4, ()) == (context, len(vocabulary), vocabulary["known0"], vocabulary["Qwen"], named)


LONG = "word " * 500
TERMS = tuple(f"{n} b c d e f g h" for n in range(10))
CUT: list[tuple[str, tuple[str, ...], int, tuple[str, ...]]] = [
    ("word " * 390, (), 5, ()),
    (LONG, (), 5, ("prompt.shortened",)),
    (LONG, ("a b c d e f g h",), 5, ("prompt.shortened",)),
    ("word " * 390, TERMS, 5, ("keywords.shortened",)),
    ("", tuple(f"word{n}" for n in range(WORDS)), 0, ()),
]


@pytest.mark.parametrize(("prompt", "keywords", "count", "ignored"), CUT)
def test_a_shortened_parameter_is_listed_as_ignored(
    prompt: str, keywords: tuple[str, ...], count: int, ignored: tuple[str, ...]
) -> None:
    context, _, named = sent(Ask(model="qwen-audio-3.1-asr-flash", prompt=prompt, keywords=keywords))

    assert (count, ignored) == (len(rounds(context)), named)


def test_an_entry_is_not_split_between_messages() -> None:
    parts = rounds(", ".join(["Ada Lovelace"] * 60))

    assert 60 == sum(part.count("Ada Lovelace") for part in parts)


def test_a_character_longer_than_a_round_is_cut() -> None:
    assert [ROUND, 101] == [len(part) for part in rounds("a" + "\u0300" * 500)]


@given(st.text(st.sampled_from("ab ,，好。\n"), max_size=3000))
def test_rounds_keep_the_text_in_order_within_the_limits(text: str) -> None:
    parts = rounds(text)
    letters = "".join(char for char in text if char in "ab好")
    kept = "".join(char for part in parts for char in part if char in "ab好")

    assert len(parts) <= ROUNDS
    assert all(0 < len(part) <= ROUND for part in parts)
    assert letters == kept if not shortened(text) else letters.startswith(kept)


@pytest.mark.parametrize(("keywords", "words"), [((" Qwen, Ada", "Qwen", "", " "), {"Qwen": 4, "Ada": 4}), ((), {})])
def test_hot_words_are_distinct_and_not_blank(keywords: tuple[str, ...], words: dict[str, int]) -> None:
    assert (words, []) == hot_words(keywords)
