"""The account's rates, kept before the service has to refuse: callers wait here, in a fair order and not for long.

All processes that share a Redis share the budget; without one each process keeps its own. A call that would wait longer
than callers are asked to is refused with the time after which it has a turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, cast

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from compat.catalogue import rates
from compat.catalogue.rates import Rate
from compat.errors import BudgetSpent
from compat.upstream import cancelling
from compat.upstream.shares import ON_BEHALF
from compat.upstream.slots import Slots

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool

log = logging.getLogger("compat")
LOOK = 0.5  # seconds between two looks at a budget that other processes use up too
SPACE = "{qwen-asr-compat}:rates"
TIMEOUT = 2.0  # seconds for an answer of Redis
ALONE = 10.0  # seconds
KNOWN = 1000  # accounts' queues that are remembered when nobody waits in them


class Limiter:
    """Moving windows, in memory or in Redis; in memory for as long as Redis cannot be reached."""

    def __init__(self, redis: str | None, *, alone: float = ALONE) -> None:
        """`alone`: seconds after which a Redis that could not be reached is tried again."""
        self._pool = _pool(redis) if redis else None
        self._here = MovingWindowRateLimiter(MemoryStorage())
        self._shared = MovingWindowRateLimiter(_redis(self._pool)) if self._pool else self._here
        self._alone_for = alone
        self._alone_until = 0.0

    async def spend(self, rate: Rate, *names: str) -> bool:
        """Whether there was one left, which is then spent."""
        item = RateLimitItemPerSecond(rate.calls, rate.seconds)
        with contextlib.suppress(StorageError):
            return await cancelling.kept(self._of().hit(item, *names))
        self._alone()
        return await self._here.hit(item, *names)

    async def left(self, rate: Rate, *names: str) -> tuple[int, float]:
        """How many are left, and in how many seconds there is another."""
        item = RateLimitItemPerSecond(rate.calls, rate.seconds)
        with contextlib.suppress(StorageError):
            reset, left = await cancelling.kept(self._of().get_window_stats(item, *names))
            return left, max(0.0, reset - time.time())
        self._alone()
        reset, left = await self._here.get_window_stats(item, *names)
        return left, max(0.0, reset - time.time())

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.aclose()

    def _of(self) -> MovingWindowRateLimiter:
        return self._here if time.monotonic() < self._alone_until else self._shared

    def _alone(self) -> None:
        self._alone_until = time.monotonic() + self._alone_for
        log.warning("the shared budget cannot be reached: this process keeps its own for a while")


def _redis(pool: ConnectionPool) -> RedisStorage:
    """With a pool, since limits understands fewer addresses than redis-py does."""
    return RedisStorage(
        "async+redis://localhost:6379",
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix=SPACE,
        connection_pool=cast("str", pool),  # whatever its annotation says
    )


def _pool(address: str) -> ConnectionPool:
    from redis.asyncio import ConnectionPool

    return ConnectionPool.from_url(address, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)


class Budget:
    """`own` rates before the published ones, which count if `published`. `patience`: seconds that a call may wait.
    `concurrency`: calls under way at a time in this process. `noted` is told of the seconds that each call
    has waited."""

    def __init__(
        self,
        *,
        redis: str | None,
        own: Mapping[str, Rate],
        published: bool,
        patience: float,
        concurrency: int,
        noted: Callable[[float], object] = lambda _: None,
    ) -> None:
        self.slots = Slots(concurrency)
        self._limiter = Limiter(redis)
        self._own = own
        self._published = published
        self._patience = patience
        self._noted = noted
        self._turnstiles: dict[tuple[str, str], Slots] = {}

    async def close(self) -> None:
        await self._limiter.close()

    @property
    def waiting(self) -> int:
        return self.slots.waiting + sum(turnstile.waiting + turnstile.busy for turnstile in self._turnstiles.values())

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """One of the calls under way. Raises BudgetSpent."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._patience):
                    await stack.enter_async_context(self.slots.taken(ON_BEHALF.get()))
            except TimeoutError:
                raise BudgetSpent("Too many calls are under way here.", retry_after=self._patience) from None
            yield

    async def turn(self, model: str, key: str) -> None:
        """Returns when a call of `model` for the account of this `key` may go. Raises BudgetSpent."""
        started = time.monotonic()
        try:
            await self._turn(model, key)
        finally:
            self._noted(time.monotonic() - started)

    async def _turn(self, model: str, key: str) -> None:
        limit = rates.rate(model, self._own, published=self._published) if model else None
        if limit is None:
            return
        rate, names = limit[1].spread, (_account(key), limit[0])
        turnstile = self._turnstile(names)
        party = ON_BEHALF.get()
        if not turnstile.busy and await self._limiter.spend(rate, *names):
            return
        wait = await self._wait(rate, names, turnstile.ahead(party))
        if wait > self._patience:
            raise _spent(names[1], wait)
        try:
            async with asyncio.timeout(self._patience), turnstile.taken(party):
                while not await self._limiter.spend(rate, *names):  # noqa: ASYNC110 - others may spend it elsewhere
                    await asyncio.sleep(min(LOOK, max(0.01, (await self._limiter.left(rate, *names))[1])))
        except TimeoutError:
            raise _spent(names[1], await self._wait(rate, names, turnstile.ahead(party))) from None

    async def charge(self, name: str, rate: str | None) -> None:
        """Counts a request against what its caller may ask for. Raises BudgetSpent."""
        if rate is None:
            return
        limit = rates.parse(rate)
        if not await self._limiter.spend(limit, "caller", name):
            _, seconds = await self._limiter.left(limit, "caller", name)
            raise BudgetSpent(f"This key may ask {rate.replace('/', ' times a ')}.", retry_after=seconds)

    async def _wait(self, rate: Rate, names: tuple[str, str], ahead: int) -> float:
        """Seconds until it is this one's turn, with so many ahead of it."""
        left, seconds = await self._limiter.left(rate, *names)
        return 0.0 if ahead < left else seconds + (ahead - left) // rate.calls * rate.seconds

    def _turnstile(self, names: tuple[str, str]) -> Slots:
        """Where one at a time looks whether there is a call left, and the others wait."""
        if len(self._turnstiles) > KNOWN:
            self._turnstiles = {of: slots for of, slots in self._turnstiles.items() if slots.busy or slots.waiting}
        return self._turnstiles.setdefault(names, Slots(1))


def _account(key: str) -> str:
    return hashlib.sha256(f"account {key}".encode()).hexdigest()[:16]


def _spent(name: str, wait: float) -> BudgetSpent:
    message = f"The account's rate for {name} is used up: a turn comes in {wait:.0f} s, later than calls wait here."
    return BudgetSpent(message, retry_after=wait)
