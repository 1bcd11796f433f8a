"""The contract of ledgers, tested on each implementation, with two processes' connections."""

from __future__ import annotations

import asyncio
import time
import uuid

from compat.spending.records import KEPT, Spent
from tests.spending.conftest import OpenLedger

DAY = int(time.time() // 86400)  # Redis forgets old days by its own clock
BOUND = 10_000  # milliseconds


def name() -> str:
    return f"client {uuid.uuid4().hex}"


async def test_a_client_gets_no_more_than_its_bound_of_each_day(opened: OpenLedger) -> None:
    alice, bob = name(), name()
    async with opened() as ledger:
        for client, day, least, most, taken in [
            (alice, DAY, 6_000, 6_000, 6_000),
            (alice, DAY, 5_000, 5_000, 0),  # 4 s are left
            (bob, DAY, 5_000, 5_000, 5_000),
            (alice, DAY, 1, 60_000, 4_000),  # all that is left
            (alice, DAY, 1, 60_000, 0),
            (alice, DAY + 1, 10_000, 10_000, 10_000),
            (alice, DAY + 1, 10_001, 10_001, 0),
        ]:
            assert taken == await ledger.take(client, day, least=least, most=most, bound=BOUND)
        await ledger.charge(alice, DAY, -2_500)
        assert 2_500 == await ledger.take(alice, DAY, least=1, most=60_000, bound=BOUND)
        await ledger.charge(alice, DAY, 30_000)  # longer than was known
        assert 0 == await ledger.take(alice, DAY, least=1, most=60_000, bound=BOUND)
        await ledger.charge(alice, DAY, -90_000)  # never less than nothing
        assert BOUND == await ledger.take(alice, DAY, least=1, most=60_000, bound=BOUND)
        assert 0 == await ledger.take(alice, DAY, least=1, most=60_000, bound=BOUND - 1)  # a bound that was lowered


async def test_processes_that_share_a_ledger_never_exceed_the_bound_together(opened: OpenLedger) -> None:
    client, sizes = name(), [1 + 997 * number % 900 for number in range(50)]
    async with opened() as one, opened() as other:
        taken = await asyncio.gather(
            *(
                (one, other)[number % 2].take(client, DAY, least=size, most=size, bound=BOUND)
                for number, size in enumerate(sizes)
            )
        )
        left = await one.take(client, DAY, least=1, most=BOUND, bound=BOUND)

    assert BOUND == sum(taken) + left
    assert left < min(size for size, got in zip(sizes, taken, strict=True) if not got)


async def test_entries_of_one_day_client_and_model_are_added_up(opened: OpenLedger) -> None:
    alice, bob = sorted((name(), name()))
    async with opened() as one, opened() as other:
        await one.add([Spent(DAY, alice, "fun-asr", 1, 2.5, 0.25, 0.0), Spent(DAY, bob, "fun-asr", 1, 1.0, 0.0, 1.0)])
        await other.add([Spent(DAY, alice, "fun-asr", 2, 0.5, 0.5, 0.0), Spent(DAY + 1, alice, "fun-asr", 1)])
        found = [entry for entry in await other.spent(DAY, DAY + 2) if entry.client in (alice, bob)]
        before = [entry for entry in await one.spent(DAY - 3, DAY) if entry.client in (alice, bob)]

    assert [
        Spent(DAY, alice, "fun-asr", 3, 3.0, 0.75, 0.0),
        Spent(DAY, bob, "fun-asr", 1, 1.0, 0.0, 1.0),
        Spent(DAY + 1, alice, "fun-asr", 1),
    ] == found
    assert [] == before


async def test_old_days_are_forgotten(opened: OpenLedger) -> None:
    client = name()
    async with opened() as ledger:
        await ledger.add([Spent(1, client, "fun-asr", 1, 2.0)])
        await ledger.take(client, 1, least=5, most=5, bound=BOUND)
        await ledger.add([Spent(1 + KEPT, client, "fun-asr", 1, 2.0)])
        found = await ledger.spent(0, 2)

    assert [] == [entry for entry in found if entry.client == client]
