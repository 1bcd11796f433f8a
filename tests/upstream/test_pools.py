from __future__ import annotations

import contextlib

import httpx2

from compat.upstream.pools import EACH, UNUSED, Pools


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_the_first_client_with_room_is_taken() -> None:
    pools = Pools(httpx2.AsyncClient)
    async with contextlib.AsyncExitStack() as stack:
        taken = [await stack.enter_async_context(pools.client()) for _ in range(EACH + 1)]
        assert [EACH, 1] == [taken.count(client) for client in (taken[0], taken[-1])]
        assert taken[0] is not taken[-1]

    async with pools.client() as again:
        assert taken[0] is again
    await pools.close()


async def test_unused_clients_except_the_first_are_closed() -> None:
    clock = Clock()
    pools = Pools(httpx2.AsyncClient, clock)
    async with contextlib.AsyncExitStack() as stack:
        first, *_, second = [await stack.enter_async_context(pools.client()) for _ in range(EACH + 1)]

    for seconds, closed in ((UNUSED, False), (0.1, True)):
        clock.now += seconds
        async with pools.client() as client:
            assert (first, closed) == (client, second.is_closed)

    await pools.close()
    assert first.is_closed


async def test_close_closes_all_clients() -> None:
    pools = Pools(httpx2.AsyncClient)
    async with contextlib.AsyncExitStack() as stack:
        taken = [await stack.enter_async_context(pools.client()) for _ in range(EACH * 2)]

    await pools.close()
    assert {True} == {client.is_closed for client in taken}
