from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest

from compat.errors import Overloaded
from compat.upstream.lag import INTERVAL, LoopLag


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> NoReturn:
        """Advance the clock and raise a timeout."""
        self.now += seconds
        raise TimeoutError


WAITS = [
    # seconds after which a timeout of five seconds fired → the error raised
    (5.0, TimeoutError),
    (4.1, TimeoutError),
    (3.9, Overloaded),
    (0.0, Overloaded),
]


@pytest.mark.parametrize(("seconds", "error"), WAITS)
def test_a_timeout_that_fires_early_raises_overloaded(seconds: float, error: type[Exception]) -> None:
    clock = Clock()
    lag = LoopLag(clock)

    with pytest.raises(error), lag.translate_timeouts(5.0, TimeoutError):
        clock.passes(seconds)


async def test_a_timeout_while_the_loop_is_blocked_raises_overloaded() -> None:
    clock = Clock()
    lag = LoopLag(clock)
    measuring = asyncio.create_task(lag.measure(lambda _: None))
    await asyncio.sleep(0)

    with pytest.raises(Overloaded), lag.translate_timeouts(5.0, TimeoutError):
        clock.passes(5.0)
    measuring.cancel()


LOOKS = [
    # seconds until the next sample, how late it is → the error that a timeout after it raises
    (INTERVAL, 0.0, TimeoutError),
    (INTERVAL * 1.2, INTERVAL * 0.2, TimeoutError),
    (INTERVAL * 3, INTERVAL * 2, Overloaded),
]


@pytest.mark.parametrize(("seconds", "late", "error"), LOOKS)
async def test_the_lag_of_a_sample_counts_after_it(seconds: float, late: float, error: type[Exception]) -> None:
    clock = Clock()
    lag = LoopLag(clock)
    samples: asyncio.Queue[float] = asyncio.Queue()
    measuring = asyncio.create_task(lag.measure(samples.put_nowait))
    await asyncio.sleep(0)

    async def time_out_after_a_sample() -> None:
        clock.now += seconds
        assert pytest.approx(late) == await samples.get()
        raise TimeoutError

    with pytest.raises(error), lag.translate_timeouts(seconds, TimeoutError):
        await time_out_after_a_sample()
    measuring.cancel()


def test_other_errors_are_raised_unchanged() -> None:
    with pytest.raises(ConnectionError), LoopLag(Clock()).translate_timeouts(5.0, TimeoutError):
        raise ConnectionError
