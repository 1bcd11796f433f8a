from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.dashscope_api.generation_audio import Settling

CONVERSATIONS: dict[str, tuple[list[str], list[str], str]] = {  # snapshots → delta after each, rest
    "one": (["One."], [""], "One."),
    "none": ([], [], ""),
    "empty": ([""], [""], ""),
    "growing": (
        ["One. Tw", "One. Two. Th", "One. Two. Three. Fo", "One. Two. Three. Four."],
        ["", "One.", " Two.", " Three."],
        " Four.",
    ),
    "Chinese": (["一。二", "一。二。三", "一。二。三。"], ["", "一。", "二。"], "三。"),
    "in progress": (["One cat", "One cats. And", "One cats. An"], ["", "", "One cats."], " An"),
    "a decimal point does not end a sentence": (["It is 3.5", "It is 3.5 m"], ["", ""], "It is 3.5 m"),
    "a repeat": (["One. T", "One. T", "One. T"], ["", "One.", ""], " T"),
    "an empty snapshot in between": (["One. T", "One. T", "", "One. Two."], ["", "One.", "", ""], " Two."),
    "revised and longer": (
        ["Twenty one cats. And", "Twenty one cats. And", "21 cats. And dogs."],
        ["", "Twenty one cats.", ""],
        " And dogs.",
    ),
    "revised completely": (["One two. X", "One two. X", "Three four five."], ["", "One two.", ""], " five."),
    "revised to nothing": (["One two. X", "One two. X", ""], ["", "One two.", ""], ""),
}  # fmt: skip


@pytest.mark.parametrize(("snapshots", "pieces", "rest"), CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_text_is_emitted_once_it_is_settled(snapshots: list[str], pieces: list[str], rest: str) -> None:
    settling = Settling()

    assert pieces == ["".join(settling.feed(snapshot)) for snapshot in snapshots]
    assert rest == "".join(settling.flush())


TEXTS = st.text(alphabet="ab .。", max_size=12)


@given(st.lists(TEXTS, max_size=6))
def test_the_deltas_join_to_the_text(snapshots: list[str]) -> None:
    settling = Settling()

    pieces = [piece for snapshot in snapshots for piece in settling.feed(snapshot)] + settling.flush()

    assert all(pieces)
    assert settling.text == "".join(pieces)


@given(TEXTS, TEXTS, TEXTS)
def test_snapshots_that_only_grow_are_emitted_unchanged(first: str, second: str, third: str) -> None:
    settling = Settling()
    for snapshot in (first, first + second, first + second + third):
        settling.feed(snapshot)
    settling.flush()

    assert settling.text == first + second + third
