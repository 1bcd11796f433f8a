"""Joining texts: spaces as their scripts need, and no doubled punctuation. Cutting: no character is cut (UAX #29)."""

from __future__ import annotations

import pytest

from compat.text import begun, boundary, gap, joined, settled

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
    ("before", "after", "separator"),
    [
        ("สวัสดี", "ขอบคุณ", " "),
        ("ສະບາຍດີ", "ຂອບໃຈ", " "),
        ("သွားမယ်။", "ဟုတ်ကဲ့", " "),
        ("សួស្តី", "អរគុណ", " "),
        ("สวัสดี", "Hello", " "),
        ("OK", "สวัสดี", " "),
        ("สวัสดี ", "ขอบคุณ", ""),
        ("สวัสดี", "", ""),
        ("", "สวัสดี", ""),
        ("สวัสดี", ", ขอบคุณ", ""),
        ("你好。", "再见。", ""),
        ("はい", "いいえ", ""),
        ("안녕하세요", "감사합니다", " "),
        ("Yes.", "No.", " "),
    ],
)
def test_sentences_are_separated(before: str, after: str, separator: str) -> None:
    assert separator == gap(before, after)


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


CLUSTERS = {
    "latin": ["a", "b", " ", "."],
    "combining marks": ["e\u0301", "o\u0302\u0323", "n"],
    "thai": ["ส", "วั", "ส", "ดี", "กำ"],
    "hindi": ["न", "म", "स्ते"],
    "chinese": ["欢", "迎", "。"],
    "kana": ["か\u3099", "タ", "ﾀﾞ"],
    "hangul": ["한", "글", "\u1112\u1161\u11ab", "가\u11a8"],
    "arabic": ["م\u064e", "ر"],
    "flags": ["🇨🇳", "🇬🇧", "🇩"],
    "family": ["👨‍👩‍👧", "👍🏽", "❤\ufe0f", "1\ufe0f\u20e3"],
    "line ends": ["\r\n", "\n", "\r"],
}


@pytest.mark.parametrize("clusters", CLUSTERS.values(), ids=CLUSTERS)
def test_texts_are_cut_between_characters(clusters: list[str]) -> None:
    text = "".join(clusters)
    ends = {len("".join(clusters[:count])) for count in range(len(clusters) + 1)}

    for at in range(len(text) + 1):
        assert boundary(text, at) == max(end for end in ends if end <= at)


@pytest.mark.parametrize(
    ("text", "following", "shown"),
    [
        ("", "", ""),
        ("hello", "", "hello"),
        ("hello", " world", "hello"),
        ("欢迎", "", "欢迎"),
        ("cafe", "\u0301", "caf"),
        ("สวัสด", "", "สวัส"),
        ("สวัสด", "ี", "สวัส"),
        ("สวัสดี", " ค", "สวัสดี"),
        ("नमस", "्ते", "नम"),
        ("👨", "", ""),
        ("👨", " ", "👨"),
        ("👨\u200d", "👩", ""),
        ("🇨", "🇳", ""),
        ("ok 🇨🇳🇬", "🇧", "ok 🇨🇳"),
    ],
)
def test_an_unfinished_character_waits(text: str, following: str, shown: str) -> None:
    assert shown == text[: settled(text, following)]
