"""Joining texts: spaces as their scripts need, and no doubled punctuation."""

from __future__ import annotations

import pytest

from compat.text import begun, joined

ROWS = [
    (["In short,", ", the period"], "In short, the period"),
    (["In short", ", the period"], "In short, the period"),
    (["It ends.", ". And begins."], "It ends. And begins."),
    (["It ends.", ", and begins."], "It ends. and begins."),
    (["Really?", " ? Yes"], "Really? Yes"),
    (["完了。", "。下一个"], "完了。下一个"),
    (["完了，", "，下一个", "。"], "完了，下一个。"),
    (["Hello.", "你好。"], "Hello.你好。"),
    (["It costs", ".5 dollars"], "It costs .5 dollars"),
    (["Wait.", "... what"], "Wait. ... what"),
    (["He said", '"no".'], 'He said "no".'),
    (["¿Qué?", "¡Ay!"], "¿Qué? ¡Ay!"),
    (["a", "", "b"], "a b"),
    (["a ", "b"], "a b"),
    (["", ", a"], ", a"),
    (["end.", ","], "end."),
    ([], ""),
]


@pytest.mark.parametrize(("texts", "whole"), ROWS)
def test_texts_are_joined(texts: list[str], whole: str) -> None:
    assert whole == joined(texts)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (", the period", "the period"),
        (".", ""),
        ("?! What", "What"),
        ("... what", "... what"),
        (":D", ":D"),
        ("a,", "a,"),
    ],
)
def test_leading_punctuation_is_removed_after_a_cut(text: str, rest: str) -> None:
    assert rest == begun(text)
