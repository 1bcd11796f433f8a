"""Deltas are never taken back, and joined they are the transcript."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.bridge.deltas import ItemDeltas

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
    item = ItemDeltas()
    said = [item.grow(*snapshot) for snapshot in snapshots]
    last, agrees = item.end(transcript)

    assert deltas == [*said, last]
    assert joined is agrees


def test_the_stash_is_what_may_follow_the_deltas() -> None:
    item = ItemDeltas()

    item.grow("hello ", "wor")
    assert " wor" == item.stash
    item.grow("สวัสด", "")
    assert "" == item.stash
    fresh = ItemDeltas()
    fresh.grow("สวัสด", "ี")
    assert "ดี" == fresh.stash


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=8), TEXTS)
def test_deltas_join_to_the_transcript_whatever_the_snapshots(
    snapshots: list[tuple[str, str]], transcript: str
) -> None:
    item, said = ItemDeltas(), ""
    for text, stash in snapshots:
        said += item.grow(text, stash)
        assert said == item.said
    last, joined = item.end(transcript)

    assert joined is (said + last == transcript)
    assert joined or not transcript.startswith(said)
