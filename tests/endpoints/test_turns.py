from __future__ import annotations

import asyncio
import itertools

from compat.endpoints.upload import LoopTurns


async def test_a_single_request_does_not_wait() -> None:
    turns, loop = LoopTurns(), asyncio.get_running_loop()
    passed: list[str] = []
    loop.call_soon(passed.append, "another callback")

    await turns.wait()
    passed.append("mine")

    assert ["mine"] == passed


async def test_simultaneous_requests_get_one_loop_iteration_each_in_order() -> None:
    turns, loop = LoopTurns(), asyncio.get_running_loop()
    happened: list[int | None] = []

    async def ask(number: int) -> None:
        await turns.wait()
        happened.append(number)

    def other() -> None:
        happened.append(None)
        loop.call_soon(other)

    asking = asyncio.gather(*(ask(number) for number in range(5)))
    loop.call_soon(other)
    await asking

    assert [0, 1, 2, 3, 4] == [number for number in happened if number is not None]
    assert not any(one is not None and next_ is not None for one, next_ in itertools.pairwise(happened))


async def test_a_cancelled_waiter_does_not_block_the_next() -> None:
    turns = LoopTurns()
    first, gone, last = (asyncio.ensure_future(turns.wait()) for _ in range(3))
    await asyncio.sleep(0)
    assert [True, False, False] == [asking.done() for asking in (first, gone, last)]
    gone.cancel()

    await last
    assert gone.cancelled()
