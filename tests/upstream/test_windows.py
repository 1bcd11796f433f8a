from __future__ import annotations

from compat.catalogue.rates import Rate
from compat.upstream.windows import KNOWN, Windows

TWO = Rate(2, 60)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_window_slides_with_the_clock() -> None:
    clock = Clock()
    windows = Windows(clock)
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
