from __future__ import annotations

from collections.abc import Callable

import pytest

from compat.config.principal import Party
from compat.upstream.shares import Holding, Shares
from compat.upstream.state import STEP
from tests.upstream.shared import workers

A, B, C = (Party(name, alone=False) for name in "abc")
ONLY = Party()
Make = Callable[[int], Shares]
both = pytest.mark.parametrize(
    "make", [Shares, lambda total: workers()[0].shares("them", total), lambda total: workers()[0].bytes("them", total)]
)
X, Y, Z = (Party(name, alone=False, known=False) for name in "xyz")


def greedy(shares: Shares, party: Party) -> int:
    """Take all that the party can get, and return the amount."""
    got = 0
    while room := shares.room(party):
        assert shares.take(party, room)
        got += room
    return got


TAKEN = [
    # the total, the parties that take all they can one after the other, and the amount that each gets
    (512, [(A, 256), (B, 128), (C, 64)]),
    (512, [(ONLY, 512), (ONLY, 0)]),
    (9, [(A, 5), (B, 2), (C, 1)]),
    (2, [(A, 1), (B, 1), (C, 0)]),
    (1, [(A, 1), (B, 0)]),
    (0, [(A, 0), (ONLY, 0)]),
    (512, [(X, 256), (Y, 128), (Z, 0), (A, 64)]),
    (8, [(X, 4), (Y, 2), (Z, 0), (A, 1), (B, 1)]),
    (1, [(X, 1), (A, 0)]),
]


@both
@pytest.mark.parametrize(("total", "story"), TAKEN)
def test_there_is_always_room_for_another_party(make: Make, total: int, story: list[tuple[Party, int]]) -> None:
    shares = make(total)

    assert [amount for _, amount in story] == [greedy(shares, party) for party, _ in story]
    assert shares.used <= total


@both
def test_parties_that_arrive_together_get_equal_shares(make: Make) -> None:
    """The parties alternate and take one at a time while there is room."""
    shares = make(300)
    while [party for party in (A, B) if shares.take(party)]:
        pass

    assert (100, 100) == (shares.held(A), shares.held(B))


@both
def test_given_back_shares_can_be_taken_again(make: Make) -> None:
    shares = make(100)
    assert not shares.take(A, 51)
    assert shares.take(A, 50)
    assert not shares.take(B, 51)
    shares.give(A, 50)

    assert (50, 0, 0) == (shares.room(A), shares.used, shares.held(A))
    assert (50, 100) == (shares.max_share(A), shares.max_share(ONLY))


@both
def test_the_first_step_of_a_holding_is_free_and_unneeded_steps_are_given_back(make: Make) -> None:
    shares = make(8)
    part, other = Holding(shares, 2, A), Holding(shares, 2, B)

    assert [True, True, True, False] == [part.fits(size) for size in (2, 3, 6, 7)]
    assert (4, 4) == (part.taken, shares.used)
    assert other.fits(4)
    assert part.fits(2)
    assert (2, 2) == (other.taken, shares.used)


def test_memory_is_scarce_for_a_party_with_less_than_half_of_its_share_left() -> None:
    shares = Shares(16)
    one, two = Holding(shares, 1, A), Holding(shares, 1, A)

    assert one.fits(5)
    assert not two.scarce
    assert one.fits(6)
    assert two.scarce
    assert not Holding(shares, 1, B).scarce


def test_workers_take_bytes_in_steps_and_give_them_all_back() -> None:
    one, other = (state.bytes("them", 8 * STEP) for state in workers())
    assert one.take(A, 10)
    assert (STEP + 10, STEP + 10) == (one.used, other.held(A))
    assert one.take(A, STEP)  # from the step
    assert STEP + 10 == other.used
    assert other.take(B, 3 * STEP)
    assert not one.take(A, 2 * STEP + 1)
    for shares, party, amount in ((one, A, STEP), (other, B, 3 * STEP), (one, A, 10)):
        shares.give(party, amount)

    assert (0, 0, 0) == (one.used, other.held(A), other.held(B))
