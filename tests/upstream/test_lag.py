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
        """Until there is a time-out."""
        self.now += seconds
        raise TimeoutError


WAITS = [
    # a time-out of five seconds, and after how many it came
    (5.0, TimeoutError),
    (4.1, TimeoutError),
    (3.9, Overloaded),
    (0.0, Overloaded),
]


@pytest.mark.parametrize(("seconds", "error"), WAITS)
def test_a_time_out_that_comes_before_its_time_is_the_loop_s(seconds: float, error: type[Exception]) -> None:
    clock = Clock()
    pulse = LoopLag(clock)

    with pytest.raises(error), pulse.excusing(5.0, TimeoutError):
        clock.passes(seconds)


async def test_a_time_out_while_nobody_looks_is_the_loop_s() -> None:
    clock = Clock()
    pulse = LoopLag(clock)
    beating = asyncio.create_task(pulse.beat(lambda _: None))
    await asyncio.sleep(0)

    with pytest.raises(Overloaded), pulse.excusing(5.0, TimeoutError):
        clock.passes(5.0)
    beating.cancel()


LOOKS = [
    # seconds until the next look, how late that is, and whose fault a time-out is after it
    (LOOK, 0.0, TimeoutError),
    (LOOK * 1.2, LOOK * 0.2, TimeoutError),
    (LOOK * 3, LOOK * 2, Overloaded),
]


@pytest.mark.parametrize(("seconds", "late", "error"), LOOKS)
async def test_what_a_look_is_late_counts_after_it(seconds: float, late: float, error: type[Exception]) -> None:
    clock = Clock()
    pulse = LoopLag(clock)
    looked: asyncio.Queue[float] = asyncio.Queue()
    beating = asyncio.create_task(pulse.beat(looked.put_nowait))
    await asyncio.sleep(0)

    async def until_a_look() -> None:
        clock.now += seconds
        assert pytest.approx(late) == await looked.get()
        raise TimeoutError

    with pytest.raises(error), pulse.excusing(seconds, TimeoutError):
        await until_a_look()
    beating.cancel()


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ConnectionError), LoopLag(Clock()).excusing(5.0, TimeoutError):
        raise ConnectionError
