from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest

from compat.errors import Overloaded
from compat.upstream.lag import LOOK, LoopLag


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
    pulse = LoopLag(clock)

    with pytest.raises(error), pulse.excusing(5.0, TimeoutError):
        clock.passes(seconds)


async def test_a_timeout_while_the_loop_is_blocked_raises_overloaded() -> None:
    clock = Clock()
    pulse = LoopLag(clock)
    beating = asyncio.create_task(pulse.beat(lambda _: None))
    await asyncio.sleep(0)

    with pytest.raises(Overloaded), pulse.excusing(5.0, TimeoutError):
        clock.passes(5.0)
    beating.cancel()


LOOKS = [
    # seconds until the next sample, how late it is → the error that a timeout after it raises
    (LOOK, 0.0, TimeoutError),
    (LOOK * 1.2, LOOK * 0.2, TimeoutError),
    (LOOK * 3, LOOK * 2, Overloaded),
]


@pytest.mark.parametrize(("seconds", "late", "error"), LOOKS)
async def test_the_lag_of_a_sample_counts_after_it(seconds: float, late: float, error: type[Exception]) -> None:
    clock = Clock()
    pulse = LoopLag(clock)
    samples: asyncio.Queue[float] = asyncio.Queue()
    beating = asyncio.create_task(pulse.beat(samples.put_nowait))
    await asyncio.sleep(0)

    async def time_out_after_a_sample() -> None:
        clock.now += seconds
        assert pytest.approx(late) == await samples.get()
        raise TimeoutError

    with pytest.raises(error), pulse.excusing(seconds, TimeoutError):
        await time_out_after_a_sample()
    beating.cancel()


def test_other_errors_are_raised_unchanged() -> None:
    with pytest.raises(ConnectionError), LoopLag(Clock()).excusing(5.0, TimeoutError):
        raise ConnectionError
