"""Stored vocabularies: the models that take them, and the limits on their words."""

from __future__ import annotations

import pytest

from compat.catalogue import vocabularies
from compat.catalogue.vocabularies import HotWord, checked, max_words, takes, target
from compat.errors import BadRequest

AUDIO3 = "qwen-audio-3.1-asr-flash"
MODELS = [
    # model → the maximum number of words, None if it takes no list
    ("fun-asr", 2000),
    ("fun-asr-mtl", 2000),
    ("fun-asr-2025-11-07", 500),
    ("fun-asr-mtl-2025-08-25", 500),
    ("fun-asr-flash-2026-06-15", 2000),
    ("fun-asr-realtime", 2000),
    ("fun-asr-realtime-2026-02-28", 500),
    ("fun-asr-flash-8k-realtime-2026-01-28", 500),
    ("paraformer-v2", 500),
    ("paraformer-realtime-8k-v2", 500),
    ("paraformer-realtime-v1", None),
    ("paraformer-v1", None),
    ("paraformer-mtl-v1", None),
    (AUDIO3, 2000),
    ("qwen-audio-3.0-asr-flash-filetrans", 2000),
    ("qwen-audio-3.1-asr-flash-streaming", 2000),
    ("qwen3-asr-flash", None),
    ("qwen3-asr-flash-filetrans", None),
    ("qwen3-asr-flash-realtime", None),
]


@pytest.mark.parametrize(("model", "words"), MODELS)
def test_models_take_lists_of_different_lengths(model: str, words: int | None) -> None:
    assert words == (max_words(model) if takes(model) else None)


@pytest.mark.parametrize(
    ("name", "model"),
    [("fun-asr", "fun-asr"), ("gpt-4o-transcribe-diarize", "fun-asr"), ("Mine", "paraformer-v2")],
)
def test_a_list_is_for_the_model_behind_a_name(name: str, model: str) -> None:
    assert model == target(name, {"mine": "paraformer-v2"})


@pytest.mark.parametrize("name", ["whisper-1", "qwen3-asr-flash-realtime", "paraformer-v1", "gpt-9", ""])
def test_a_list_for_a_model_that_takes_none_is_refused(name: str) -> None:
    with pytest.raises(BadRequest) as refused:
        target(name, {})
    assert "target_model" == refused.value.param


@pytest.mark.parametrize("prefix", ["", "Books", "longprefix", "a-b", "词"])
def test_a_prefix_consists_of_a_few_lower_case_letters_and_digits(prefix: str) -> None:
    with pytest.raises(BadRequest) as refused:
        vocabularies.check_prefix(prefix)
    assert "prefix" == refused.value.param


def test_words_are_tidied_and_repetitions_dropped() -> None:
    given = [
        HotWord(" Alibaba \n Cloud "),
        HotWord("Alibaba Cloud"),
        HotWord("Qwen", 5, "en-US"),
        HotWord("Qwen", 1, "zh"),
    ]

    assert (HotWord("Alibaba Cloud"), HotWord("Qwen", 5, "en"), HotWord("Qwen", 1, "zh")) == checked(given, "fun-asr")
    assert (HotWord("Magandang umaga", 4, "tl"),) == checked([HotWord("Magandang umaga", 4, "fil")], "fun-asr")


REFUSED = [
    ("fun-asr", [], "vocabulary"),
    ("paraformer-v2", [HotWord(str(number)) for number in range(501)], "vocabulary"),
    (AUDIO3, [HotWord(str(number)) for number in range(2001)], "vocabulary"),
    (AUDIO3, [HotWord(str(number), 50) for number in range(51)], "vocabulary"),
    ("fun-asr", [HotWord("a"), HotWord(" ")], "vocabulary[1].text"),
    ("fun-asr", [HotWord("secret " * 8)], "vocabulary[0].text"),
    ("fun-asr", [HotWord("密" * 16)], "vocabulary[0].text"),
    ("fun-asr", [HotWord("secret", 50)], "vocabulary[0].weight"),
    ("fun-asr", [HotWord("secret", 0)], "vocabulary[0].weight"),
    (AUDIO3, [HotWord("secret", 49)], "vocabulary[0].weight"),
    ("fun-asr", [HotWord("secret", 4), HotWord("secret", 5)], "vocabulary[1].weight"),
    ("fun-asr", [HotWord("secret", 4, "klingon")], "vocabulary[0].lang"),
]


@pytest.mark.parametrize(("model", "words", "param"), REFUSED)
def test_an_invalid_word_is_refused_without_quoting_it(model: str, words: list[HotWord], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        checked(words, model)

    assert param == refused.value.param
    assert "secret" not in refused.value.message
    assert "密" not in refused.value.message


def test_the_longest_words_and_lists_are_accepted() -> None:
    words = [HotWord("one two three four five six seven"), HotWord("一" * 15), HotWord("Pneumonoultramicroscopic" * 4)]

    assert tuple(words) == checked(words, "fun-asr")
    assert 2000 == len(checked([HotWord(str(number), 50 if number < 50 else 1) for number in range(2000)], AUDIO3))
