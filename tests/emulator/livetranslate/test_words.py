"""Which words are settled, and their translation."""

from __future__ import annotations

import pytest

from compat.emulator.engine import Hypothesis
from compat.emulator.livetranslate.words import Agreement, Settled, Translator
from tests.emulator.livetranslate.talk import NESTED, Talk, of, settings
from tests.emulator.realtime.talk import FINISH, frames, scripted, spoken


@pytest.mark.parametrize(
    ("heard", "settled"),
    [
        ([("", "it was the best")], [""]),
        ([("", "it was the"), ("", "it was the best of")], ["", "it was the"]),
        ([("", "it was the"), ("", "it was the best")], ["", "it was"]),
        ([("", "it was"), ("", "it is the best of times")], ["", "it"]),
        ([("", "It was the best"), ("", "it was, the best of times")], ["", "it was, the best"]),
        ([("it was", "the best")], ["it was"]),
        ([("it was", "the"), ("it was the best of times", "")], ["it was", "it was the best of times"]),
        ([("", "这是最好"), ("", "这是最好的时代")], ["", "这是最好"]),
    ],
)
def test_words_that_two_partial_results_agree_on_are_settled(heard: list[tuple[str, str]], settled: list[str]) -> None:
    agreement = Agreement()

    found = [agreement.settled(Hypothesis(*each)) for each in heard]

    assert [each.text for each in found] == settled
    wholes = [" ".join(filter(None, each)) for each in heard]
    assert [f"{each.text} {each.stash}".replace(" ", "") for each in found] == [w.replace(" ", "") for w in wholes]


def test_settled_words_are_returned_once() -> None:
    settled = Settled()

    assert [settled.new_words(text) for text in ("a b", "a", "x y c", "a b c")] == [["a", " b"], [], [" c"], []]


@pytest.mark.parametrize(
    ("target", "first", "mark"),
    [("zh", "hello", "[zh] "), ("en", "hello", ""), ("en", "你", "[en] "), ("fr", "你", "[fr] ")],
)
def test_the_mark_depends_on_the_first_word(target: str, first: str, mark: str) -> None:
    assert Translator(target, {}).mark(first) == mark


@pytest.mark.parametrize(
    ("word", "translated"), [(" river,", " ocean,"), ("river", "ocean"), (" rivers", " rivers"), (" 河", " 海")]
)
def test_words_of_the_glossary(word: str, translated: str) -> None:
    assert Translator("fr", {"river": "ocean", "河": "海"}).word(word) == translated


def test_an_engine_without_final_words_is_translated_before_the_end() -> None:
    partial = ["it was", "it was the best", "it was the best of times it", "it was the best of times it was"]
    engine = scripted((*(Hypothesis("", text) for text in partial), Hypothesis("It was the best of times, it was.")))

    events = Talk(NESTED, settings(NESTED), engine=engine).say(*frames(spoken("amber", "basil")), FINISH)

    kind = "response.text.delta"
    assert [event["delta"] for event in of(kind, events)] == ["[zh] it was", " the best", " of times", " it was."]
