from __future__ import annotations

import bisect
from collections.abc import Callable

import pytest

from compat.catalogue.rates import Rate
from compat.upstream.state import SharedWindows
from compat.upstream.windows import KNOWN, Windows
from tests.upstream.shared import memories

TWO = Rate(2, 60)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("make", [Windows, lambda clock: SharedWindows(memories()[0], clock)])
def test_a_window_slides_with_the_clock(make: Callable[[Clock], Windows]) -> None:
    clock = Clock()
    windows = make(clock)
    table = [  # seconds, whether a call is allowed, calls left and seconds until the next one is free
        (0, True, (1, 60)),
        (10, True, (0, 50)),
        (59, False, (0, 1)),
        (60, True, (0, 10)),
        (69, False, (0, 1)),
        (70, True, (0, 50)),
        (200, True, (1, 60)),
    ]
    for seconds, allowed, left in table:
        clock.now = 1000.0 + seconds
        assert allowed == windows.spend(TWO, "caller", "one"), seconds
        assert left == windows.left(TWO, "caller", "one"), seconds
    assert (2, 0.0) == windows.left(TWO, "caller", "other")
    assert (3, 0.0) == windows.left(Rate(3, 60), "caller", "one")


def test_expired_windows_are_removed() -> None:
    clock = Clock()
    windows = Windows(clock)
    for name in range(3 * KNOWN):
        assert windows.spend(TWO, str(name))
    assert 3 * KNOWN == len(windows)

    clock.now += 61
    for name in range(3 * KNOWN):
        assert windows.spend(TWO, f"later {name}")
    assert 4 * KNOWN >= len(windows)


@pytest.mark.parametrize("calls", [1, 255, 256, 257, 1000, 2560])
def test_workers_share_a_window_of_any_size(calls: int) -> None:
    """A window with more calls than its ring has times gives them back a little later, and never too early."""
    clock = Clock()
    one, other = (SharedWindows(memory, clock) for memory in memories())
    rate = Rate(calls, 60)
    for second in range(180):
        clock.now = 1000.0 + second
        taken = 0
        while (one, other)[taken % 2].spend(rate, "account"):
            taken += 1
        assert taken == (calls if second % 60 == 0 else 0), second
        assert 0 == one.left(rate, "account")[0]
        assert other.left(rate, "account")[1] <= 60 - second % 60


def test_calls_spread_over_a_window_never_exceed_its_rate() -> None:
    clock = Clock()
    windows, rate = SharedWindows(memories()[0], clock), Rate(1000, 60)
    spent: list[float] = []
    for tick in range(3000):
        clock.now = 1000.0 + tick / 10
        spent += [clock.now for _ in range(7) if windows.spend(rate, "account")]
        assert len(spent) - bisect.bisect_right(spent, clock.now - 60) <= 1000
    assert len(spent) > 0.98 * 5 * 1000


def test_names_without_a_ring_are_counted_in_each_worker() -> None:
    one = SharedWindows(memories()[0], Clock())

    assert {(True, True, False)} == {tuple(one.spend(TWO, str(name)) for _ in range(3)) for name in range(5000)}
