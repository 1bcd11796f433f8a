"""Pieces of several items in the order of the items."""

from __future__ import annotations

import pytest

from compat.bridge.ordering import Sequencer

END = None


@pytest.mark.parametrize(
    ("steps", "passed"),
    [
        ("", ""),
        ("a1 a2 a.", "a1 a2 a."),
        ("+a +b b1 a1 a. b2 b.", "a1 a. b1 b2 b."),
        ("+a +b b1 b. a.", "a. b1 b."),
        ("+a +b +c c1 c. b1 b. a1 a.", "a1 a. b1 b. c1 c."),
        ("+a +a a1 a. b1", "a1 a. b1"),
        ("b1 a1 b.", "b1 b. a1"),
        ("a1 a. a2", "a1 a. a2"),
        ("+a b. b1", ""),
    ],
)
def test_the_first_item_passes_and_later_ones_wait(steps: str, passed: str) -> None:
    sequencer, yielded = Sequencer[str](), []
    for step in steps.split():
        if step.startswith("+"):
            sequencer.begin(step[1:])
        else:
            item, piece = step[0], step[1:]
            yielded += sequencer.end(item) if piece == "." else sequencer.add(item, piece)
    assert " ".join(f"{item}{piece or '.'}" for item, piece in yielded) == passed


def test_giving_up_releases_what_waits_in_order() -> None:
    sequencer = Sequencer[str]()
    for item in "abc":
        sequencer.begin(item)
    sequencer.add("c", "c1")
    sequencer.add("b", "b1")
    sequencer.end("b")

    assert sequencer.busy
    assert sequencer.give_up() == [("b", "b1"), ("b", END), ("c", "c1")]
    assert not sequencer.busy
    assert sequencer.give_up() == []
