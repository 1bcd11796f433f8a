"""Deltas are never taken back and joined are the transcript; no character is cut (Unicode UAX #29)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.bridge.deltas import ItemDeltas, boundary, settled

TEXTS = st.text(alphabet="ab 你好éस्ี👍🏽🇨🇳\u0301\u200d", max_size=12)


@pytest.mark.parametrize(
    ("snapshots", "transcript", "deltas", "joined"),
    [
        ([("", "wel"), ("wel", "come"), ("welcome", "")], "welcome.", ["", "wel", "come", "."], True),
        ([("", "a"), ("", "ab")], "abc", ["", "", "abc"], True),
        ([("abc", ""), ("ab", "c"), ("abcd", "")], "abcd", ["abc", "", "d", ""], True),
        ([("abc", ""), ("abx", ""), ("abcd", "")], "abcd", ["abc", "", "d", ""], True),
        ([("abc", "")], "xyz", ["abc", ""], False),
        ([("abc", "")], "ab", ["abc", ""], False),
        ([("hello ", ""), ("hello wor", "ld")], "hello", ["hello", " wor", ""], False),
        ([("hello ", "world"), ("hello\r", "")], "hello", ["hello", "", ""], True),
        ([], "", [""], True),
    ],
)
def test_snapshots(snapshots: list[tuple[str, str]], transcript: str, deltas: list[str], joined: bool) -> None:
    captions = ItemDeltas()
    said = [captions.grow(*snapshot) for snapshot in snapshots]
    last, agrees = captions.end(transcript)

    assert deltas == [*said, last]
    assert joined is agrees


def test_the_stash_is_what_may_follow_the_deltas() -> None:
    captions = ItemDeltas()

    captions.grow("hello ", "wor")
    assert " wor" == captions.stash
    captions.grow("สวัสด", "")
    assert "" == captions.stash
    fresh = ItemDeltas()
    fresh.grow("สวัสด", "ี")
    assert "ดี" == fresh.stash


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=8), TEXTS)
def test_whatever_the_service_shows(snapshots: list[tuple[str, str]], transcript: str) -> None:
    captions, said = ItemDeltas(), ""
    for text, stash in snapshots:
        said += captions.grow(text, stash)
        assert said == captions.said
    last, joined = captions.end(transcript)

    assert joined is (said + last == transcript)
    assert joined or not transcript.startswith(said)


CLUSTERS = {
    "latin": ["a", "b", " ", "."],
    "combining marks": ["e\u0301", "o\u0302\u0323", "n"],
    "thai": ["ส", "วั", "ส", "ดี", "กำ"],
    "hindi": ["न", "म", "स्", "ते"],
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
