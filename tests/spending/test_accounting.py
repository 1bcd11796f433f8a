"""Accounting with a clock of its own: days, charges and what is written when."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from compat.config.keys import KeyEntry
from compat.config.principal import Principal
from compat.errors import BadRequest, CompatError, QuotaExceeded, ServiceFailed, ServiceUnavailable
from compat.jobs.opening import open_store
from compat.spending.accounting import Accounting
from compat.spending.records import DAY, Charge, Spent

TODAY = int(time.time() // DAY)


class Clock:
    def __init__(self) -> None:
        self.now = TODAY * DAY + 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def accounting(clock: Clock) -> AsyncIterator[Accounting]:
    store = open_store(None)
    accounting = Accounting(store.ledger(), clock=clock)
    yield accounting
    await accounting.close()
    await store.close()


async def left(accounting: Accounting, client: str = "alice", daily: int = 10) -> int:
    """Return what is left of today, in milliseconds; nothing is left afterwards."""
    charge = await accounting.take(client, daily, least=1, most=daily * 1000)
    return charge.ms if charge else 0


def client(**fields: Any) -> Principal:  # noqa: ANN401 - of KeyEntry
    return Principal("k", entry=KeyEntry(name="alice", digest=b"", **fields))


UNKNOWN = 0.0
SETTLED = [
    # bounds, seconds, seconds used, milliseconds left of 10 s
    ({"daily": 10}, 4.0, 4.0, 6_000),
    ({"daily": 10}, 4.0, 3.2, 6_800),
    ({"daily": 10}, 4.0, 8.0, 6_000),  # sent again by this server
    ({"daily": 10}, 4.0, 0.0, 10_000),
    ({"daily": 10}, 10.0, 10.0, 0),
    ({"daily": 10}, UNKNOWN, 3.0, 7_000),
    ({"daily": 10}, UNKNOWN, 0.0, 10_000),
    ({"daily": 10}, UNKNOWN, 14.0, 0),  # longer than what was left
    ({"daily": 10}, UNKNOWN, float("inf"), 0),  # cancelled
    ({"daily": 10, "longest": 6}, UNKNOWN, float("inf"), 4_000),
    ({"daily": 10, "longest": 60}, UNKNOWN, float("inf"), 0),
    ({"longest": 6}, 5.0, 5.0, 10_000),
    ({}, 5000.0, 5000.0, 10_000),
]


@pytest.mark.parametrize(("bounds", "seconds", "used", "ms"), SETTLED)
async def test_used_audio_stays_charged(
    accounting: Accounting, bounds: dict[str, int], seconds: float, used: float, ms: int
) -> None:
    async with accounting.charged(client(**bounds), seconds) as principal:
        if principal.meter:
            principal.meter.used = used

    assert ms == await left(accounting)


@pytest.mark.parametrize(("bounds", "seconds"), [({"daily": 10}, 10.1), ({"daily": 10, "longest": 5}, 6.0)])
async def test_audio_that_may_never_be_sent_is_a_bad_request(
    accounting: Accounting, bounds: dict[str, int], seconds: float
) -> None:
    with pytest.raises(BadRequest):
        await accounting.reserve(client(**bounds), seconds)

    assert 10_000 == await left(accounting)


async def test_a_charge_belongs_to_the_day_on_which_it_was_made(accounting: Accounting, clock: Clock) -> None:
    """A job that ends on another day, and a clock that jumps over midnight and back."""
    clock.now = (TODAY + 1) * DAY - 0.5
    charge = await accounting.reserve(client(daily=10), 8.0)
    assert charge is not None
    with pytest.raises(QuotaExceeded) as caught:
        await accounting.reserve(client(daily=10), 8.0)
    clock.now += 1.0
    assert await accounting.reserve(client(daily=10), 8.0)
    await accounting.settle(charge, 3.0)
    tomorrow = await left(accounting)
    clock.now -= 1.0

    assert "1" == caught.value.headers()["retry-after"]
    assert (2_000, 7_000) == (tomorrow, await left(accounting))


async def test_the_error_says_when_the_bound_is_reset(accounting: Accounting, clock: Clock) -> None:
    clock.now = 20_000 * DAY + 20.0  # 2024-10-04
    await left(accounting)
    with pytest.raises(QuotaExceeded, match="It is reset at 2024-10-05 00:00 UTC") as caught:
        await accounting.reserve(client(daily=10), 1.0)

    assert {"retry-after": str(DAY - 20), "x-should-retry": "false"} == caught.value.headers()


CALLS: list[tuple[bool, type[BaseException] | None, float]] = [
    # was it submitted, how it ended, seconds used of 3
    (True, None, 2.5),
    (True, ServiceFailed, 0.0),
    (True, asyncio.CancelledError, 3.0),
    (True, GeneratorExit, 3.0),
    (False, asyncio.CancelledError, 0.0),  # it waited for the account's rate
]


@pytest.mark.parametrize(("sent", "ending", "used"), CALLS)
async def test_a_cancelled_call_counts_if_it_was_submitted(
    accounting: Accounting, sent: bool, ending: type[BaseException] | None, used: float
) -> None:
    async with accounting.charged(client(daily=10), 3.0) as principal:
        assert principal.meter is not None
        with contextlib.suppress(CompatError, asyncio.CancelledError, GeneratorExit), principal.meter.call(3.0) as call:
            call.sent, call.used = sent, 2.5
            if ending is not None:
                raise ending("why")

    assert 10_000 - used * 1000 == await left(accounting)


async def test_a_cancelled_request_leaves_no_charge(accounting: Accounting) -> None:
    reserving = [asyncio.create_task(accounting.reserve(client(daily=10), 10.0)) for _ in range(2)]
    await asyncio.sleep(0)
    for task in reserving:
        task.cancel()
    await asyncio.gather(*reserving, return_exceptions=True)
    await accounting.close()

    assert 10_000 == await left(accounting)


async def test_usage_is_written_together_and_by_day(accounting: Accounting, clock: Clock) -> None:
    for _ in range(3):
        accounting.count("alice", "fun-asr", 2.0, None)
    accounting.count("alice", "fun-asr", 1.0, 0.5, 0)
    clock.now += DAY
    accounting.count("alice", "fun-asr", 1.0, 0.5)

    assert [
        Spent(TODAY, "alice", "fun-asr", 3, 7.0, 0.5, 6.0),
        Spent(TODAY + 1, "alice", "fun-asr", 1, 1.0, 0.5),
    ] == await accounting.spent(TODAY, TODAY + 2)


async def test_without_its_store_a_key_with_a_bound_is_refused_and_usage_is_kept(tmp_path: Path) -> None:
    """Fewer requests are better than more than the operator allows."""
    store = open_store(str(tmp_path / "folder" / "jobs.sqlite"))
    (tmp_path / "folder" / "jobs.sqlite").unlink()
    (tmp_path / "folder").rmdir()
    (tmp_path / "folder").write_text("no folder")
    accounting = Accounting(store.ledger())
    accounting.count("alice", "fun-asr", 2.0, 0.5)
    for work in (accounting.flush(), accounting.reserve(client(daily=10), 1.0)):
        with pytest.raises(ServiceUnavailable, match="except for keys with a bound"):
            await work
    await accounting.settle(Charge("alice", TODAY, 5), 0.0)
    assert await accounting.reserve(client(longest=10), 1.0) is None

    (tmp_path / "folder").unlink()
    accounting.count("alice", "fun-asr", 2.0, 0.5)
    day = int(time.time() // DAY)
    found = await accounting.spent(day - 1, day + 1)
    await accounting.close()
    await store.close()

    assert [4.0] == [entry.seconds for entry in found]
