from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.upstream.slots import FairQueue


def queue(items: str) -> FairQueue[str]:
    """Return a queue of `items`, each named by the letter of its party and a digit."""
    filled: FairQueue[str] = FairQueue()
    for item in items.split():
        filled.put(item[0], item)
    return filled


def served(filled: FairQueue[str]) -> str:
    return " ".join(iter(filled.next, None))


@pytest.mark.parametrize(
    ("items", "order"),
    [
        ("", ""),
        ("a1 a2 a3", "a1 a2 a3"),
        ("a1 a2 a3 b1 b2", "a1 b1 a2 b2 a3"),
        ("a1 b1 c1 a2 a3 c2", "a1 b1 c1 a2 c2 a3"),
    ],
)
def test_parties_take_turns_and_each_party_s_items_keep_their_order(items: str, order: str) -> None:
    assert order == served(queue(items))


def test_an_item_that_may_not_go_yet_keeps_its_place() -> None:
    filled = queue("a1 a2 b1")

    assert "b1" == filled.next(lambda item: item[0] != "a")
    assert filled.next(lambda _: False) is None
    assert "a1 a2" == served(filled)


def test_a_dropped_item_is_not_served() -> None:
    filled = queue("a1 a2 b1")
    for party, item in (("a", "a1"), ("b", "b1"), ("b", "b1"), ("c", "c1")):
        filled.drop(party, item)

    assert 1 == len(filled)
    assert "a2" == served(filled)


@given(st.lists(st.sampled_from("abcd"), max_size=30), st.sampled_from("abcde"))
def test_ahead_returns_the_number_of_items_served_before(parties: list[str], party: str) -> None:
    filled = queue(" ".join(f"{name}{place}" for place, name in enumerate(parties)))
    ahead = filled.ahead(party)
    filled.put(party, f"{party}!")

    assert ahead == served(filled).split().index(f"{party}!")
