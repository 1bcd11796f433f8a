from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from compat.catalogue.rates import Rate
from compat.config.principal import ANYONE, Party, Principal
from compat.errors import BudgetSpent
from compat.upstream.budget import Budget
from compat.upstream.state import SharedState
from tests.upstream.shared import workers
from tests.witnesses import free_port, redis_server

MODEL = "qwen3-asr-flash"
THREE = Rate(3, 1)
Place = str | SharedState | None
SELDOM = Rate(3, 60)  # nothing is restored during a test


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["memory", "workers", "redis"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "memory":
        return None
    if request.param == "workers":
        return workers()[0]
    url: str = request.getfixturevalue("redis")
    return url


@contextlib.asynccontextmanager
async def budget(
    place: Place, rate: Rate = THREE, *, patience: float = 5.0, concurrency: int = 9
) -> AsyncIterator[Budget]:
    redis, state = (place, None) if isinstance(place, str) else (None, place)
    own = {MODEL: rate}
    opened = Budget(redis=redis, own=own, published=False, patience=patience, concurrency=concurrency, state=state)
    try:
        yield opened
    finally:
        await opened.close()


async def test_calls_within_the_rate_go_at_once_and_the_rest_wait(place: Place) -> None:
    account, clock = uuid.uuid4().hex, asyncio.get_running_loop().time
    started = clock()
    async with budget(place) as kept:
        await asyncio.gather(*(kept.turn(MODEL, Principal(account)) for _ in range(7)))
        assert 0 == kept.waiting

    assert clock() - started >= 1.9  # three at once, three after a second, the last after two


async def test_a_call_refused_for_its_wait_succeeds_after_retry_after(place: Place) -> None:
    account = uuid.uuid4().hex
    async with budget(place, Rate(3, 2), patience=0.2) as kept:
        for _ in range(3):
            await kept.turn(MODEL, Principal(account))
        with pytest.raises(BudgetSpent, match="rate for qwen3-asr-flash is used up") as caught:
            await kept.turn(MODEL, Principal(account))
        assert 0 < (caught.value.retry_after or 0) <= 2
        assert "true" == caught.value.headers()["x-should-retry"]

        await asyncio.sleep(caught.value.retry_after or 0)
        await kept.turn(MODEL, Principal(account))


async def test_each_account_and_model_has_its_own_rate_and_some_calls_have_none() -> None:
    async with budget(None, SELDOM, patience=0.01) as kept:
        for _ in range(3):
            await kept.turn(MODEL, Principal("one"))
        await kept.turn(MODEL, Principal("other"))
        for _ in range(9):
            await kept.turn("", Principal("one"))
            await kept.turn("unlimited", Principal("one"))


async def test_processes_that_share_a_redis_share_the_budget(redis: str) -> None:
    account = uuid.uuid4().hex
    async with budget(redis, SELDOM, patience=0.01) as one, budget(redis, SELDOM, patience=0.01) as other:
        await one.turn(MODEL, Principal(account))
        await other.turn(MODEL, Principal(account))
        await one.turn(MODEL, Principal(account))
        with pytest.raises(BudgetSpent):
            await other.turn(MODEL, Principal(account))


async def test_workers_share_the_budget() -> None:
    account, (here, there) = Principal("account"), workers()
    async with budget(here, SELDOM, patience=0.01) as one, budget(there, SELDOM, patience=0.01) as other:
        await one.turn(MODEL, account)
        await other.turn(MODEL, account)
        await one.turn(MODEL, account)
        with pytest.raises(BudgetSpent):
            await other.turn(MODEL, account)
        await one.charge("key", "2/minute")
        await other.charge("key", "2/minute")
        with pytest.raises(BudgetSpent, match="2 per minute"):
            await other.charge("key", "2/minute")


async def test_a_call_that_would_wait_too_long_behind_those_of_another_worker_is_refused_at_once() -> None:
    """Three calls go at once, and two a minute later, one of each worker. The next ones would wait too long."""
    account, (here, there) = Principal("account"), workers()
    async with budget(here, Rate(2, 60), patience=60) as one, budget(there, Rate(2, 60), patience=60) as other:
        await one.turn(MODEL, account)
        await one.turn(MODEL, account)
        waiting = [asyncio.create_task(kept.turn(MODEL, account)) for kept in (one, other)]
        await asyncio.sleep(0)
        for kept in (one, other):
            with pytest.raises(BudgetSpent) as caught:
                await kept.turn(MODEL, account)
            assert 100 < (caught.value.retry_after or 0) <= 120
        for task in waiting:
            task.cancel()


async def test_without_its_redis_a_process_keeps_its_own_budget() -> None:
    async with budget(f"redis://127.0.0.1:{free_port()}/0", SELDOM, patience=0.01) as kept:
        for _ in range(3):
            await kept.turn(MODEL, Principal("one"))
        with pytest.raises(BudgetSpent):
            await kept.turn(MODEL, Principal("one"))


async def test_callers_take_turns_however_many_calls_one_of_them_sends() -> None:
    order: list[str] = []

    async def ask(kept: Budget, name: str) -> None:
        await kept.turn(MODEL, Principal("account", party=Party(name)))
        order.append(name)

    async with budget(None, Rate(1, 1), patience=20) as kept:
        await ask(kept, "greedy")
        await asyncio.gather(
            *(asyncio.create_task(ask(kept, name)) for name in ("greedy", "greedy", "greedy", "modest"))
        )

    assert ["greedy", "greedy", "greedy", "modest", "greedy"] == order


async def test_the_number_of_concurrent_calls_is_bounded() -> None:
    async with budget(None, patience=0.5, concurrency=2) as kept, kept.slot(ANYONE), kept.slot(ANYONE):
        with pytest.raises(BudgetSpent, match="Too many calls"):
            async with kept.slot(ANYONE):
                raise AssertionError


async def test_the_error_names_the_concurrency_limit_of_the_key() -> None:
    one = Party("one", 1)
    async with budget(None, patience=0.1, concurrency=2) as kept, kept.slot(one):
        with pytest.raises(BudgetSpent, match="concurrency limit of this key is 1"):
            async with kept.slot(one):
                raise AssertionError
        async with kept.slot(Party("other", 1)):
            pass


async def test_a_request_over_the_rate_of_its_key_is_refused_with_retry_after(place: Place) -> None:
    name = uuid.uuid4().hex
    async with budget(place) as kept:
        await kept.charge(name, None)
        await kept.charge(name, "2/minute")
        await kept.charge(name, "2/minute")
        with pytest.raises(BudgetSpent, match="2 per minute") as caught:
            await kept.charge(name, "2/minute")

    assert 50 < (caught.value.retry_after or 0) <= 60


@pytest.mark.parametrize("steps", range(12))
async def test_a_cancellation_is_never_lost(place: Place, steps: int) -> None:
    async with budget(place, Rate(1000, 1)) as kept:
        await kept.turn(MODEL, Principal("account"))  # connects to Redis

        async def call_for_ever() -> None:
            await kept.turn(MODEL, Principal("account"))
            await asyncio.Event().wait()

        calling = asyncio.ensure_future(call_for_ever())
        for _ in range(steps):
            await asyncio.sleep(0)
        calling.cancel()
        done, _ = await asyncio.wait([calling], timeout=10)

    assert {calling} == done


@pytest.mark.parametrize("steps", range(12))
async def test_a_cancelled_call_leaves_the_queue(redis: str, steps: int) -> None:
    async with budget(redis, Rate(1, 60), patience=100) as kept:
        account = uuid.uuid4().hex
        await kept.turn(MODEL, Principal(account))
        waiting = asyncio.ensure_future(kept.turn(MODEL, Principal(account)))
        for _ in range(steps):
            await asyncio.sleep(0)
        waiting.cancel()
        done, _ = await asyncio.wait([waiting], timeout=10)

        assert ({waiting}, 0) == (done, kept.waiting)
