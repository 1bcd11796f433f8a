"""Text and figures derived from sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.emulator.engine import Sentence, Word
from compat.emulator.text import audio_tokens, billed_seconds, clauses, deltas, separator, words_of


@given(st.text())
def test_deltas_are_the_text(text: str) -> None:
    assert "".join(deltas(text)) == (text if text.strip() else "")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("one", ["one"]),
        ("one two three four", ["one two three", " four"]),
        (" one  two ", [" one  two "]),
        ("欢迎使用hello", ["欢迎使", "用hello"]),
    ],
)
def test_deltas_are_of_a_few_words(text: str, pieces: list[str]) -> None:
    assert list(deltas(text)) == pieces


@pytest.mark.parametrize(
    ("before", "after", "between"),
    [("", "a", ""), ("a", "", ""), ("a.", "b", " "), ("欢", "b", ""), ("a", "迎", ""), ("。", "b", "")],
)
def test_the_separator_of_two_sentences(before: str, after: str, between: str) -> None:
    assert separator(before, after) == between


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("Hi there.", (Word("Hi", 0, 500), Word("there", 500, 1000, "."))),
        ("Hi , there", (Word("Hi", 0, 500, ","), Word("there", 500, 1000))),
        ("欢迎。", (Word("欢", 0, 500), Word("迎", 500, 1000, "。"))),
        ("...", ()),
    ],
)
def test_words_are_spread_evenly_where_the_engine_has_none(text: str, words: tuple[Word, ...]) -> None:
    assert words_of(Sentence(text=text, begin_ms=0, end_ms=1000)) == words


def test_the_engine_s_own_words_are_kept() -> None:
    words = (Word("Hi", 10, 20),)

    assert words_of(Sentence(text="Hi", begin_ms=0, end_ms=1000, words=words)) == words


def test_clauses_end_at_punctuation() -> None:
    whole = Sentence(text="Well, I go. Now", begin_ms=0, end_ms=800, speaker=3, emotion="sad")

    assert [(part.text, part.begin_ms, part.end_ms, part.speaker, part.emotion) for part in clauses(whole)] == [
        ("Well,", 0, 200, 3, "sad"), ("I go.", 200, 600, 3, "sad"), ("Now", 600, 800, 3, "sad")
    ]  # fmt: skip


@pytest.mark.parametrize(("seconds", "tokens", "billed"), [(0.2, 25, 1), (1, 25, 1), (1.5, 38, 2), (286, 7150, 286)])
def test_tokens_and_billed_seconds(seconds: float, tokens: int, billed: int) -> None:
    assert (audio_tokens(seconds), billed_seconds(seconds)) == (tokens, billed)
