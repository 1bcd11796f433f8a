"""Rate limits: keeps calls within the account's rates, so that DashScope does not have to refuse them.

A call over the rate waits in a fair queue. If it would wait longer than `patience`, it is refused at once, with the
time after which it can succeed as `retry_after`. All processes that share a Redis share one budget; without Redis the
workers of one server do.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from compat.catalogue import rates
from compat.catalogue.rates import Rate
from compat.config.principal import ANYONE, Party, Principal
from compat.errors import BudgetSpent
from compat.upstream import cancelling
from compat.upstream.shares import Shares
from compat.upstream.slots import Slots
from compat.upstream.state import CommonState, OwnState
from compat.upstream.windows import Windows

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool

log = logging.getLogger("compat")
LOOK = 0.5  # longest pause in seconds between two checks of the budget, which other processes spend too
SPACE = "{qwen-asr-compat}:rates"
TIMEOUT = 2.0  # seconds for a response from Redis
ALONE = 10.0  # seconds without Redis before it is tried again
KNOWN = 1000  # queues of account and model, above which the empty ones are removed


class Limiter:
    """Moving windows in Redis, or those of this server without Redis and while it cannot be reached."""

    def __init__(self, redis: str | None, here: Windows, *, alone: float = ALONE) -> None:
        """`alone` is the time in seconds after which an unreachable Redis is tried again."""
        self._pool = _pool(redis) if redis else None
        self._here = here
        self._shared = MovingWindowRateLimiter(_redis(self._pool)) if self._pool else None
        self._alone_for = alone
        self._alone_until = 0.0

    async def spend(self, rate: Rate, *names: str) -> bool:
        """Spend one call if one is left, and return whether there was one."""
        if shared := self._reachable():
            with contextlib.suppress(StorageError):
                return await cancelling.kept(shared.hit(_item(rate), *names))
            self._use_own()
        return self._here.spend(rate, *names)

    async def left(self, rate: Rate, *names: str) -> tuple[int, float]:
        """Return the number of calls left, and the seconds until the next one becomes free."""
        if shared := self._reachable():
            with contextlib.suppress(StorageError):
                reset, left = await cancelling.kept(shared.get_window_stats(_item(rate), *names))
                # No wait is longer than the window, although the wall clock may have been set back since the last call.
                return left, min(float(rate.seconds), max(0.0, reset - time.time()))
            self._use_own()
        return self._here.left(rate, *names)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.aclose()

    def _reachable(self) -> MovingWindowRateLimiter | None:
        return self._shared if time.monotonic() >= self._alone_until else None

    def _use_own(self) -> None:
        self._alone_until = time.monotonic() + self._alone_for
        log.warning("the shared budget cannot be reached; this server uses its own for now")


def _item(rate: Rate) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(rate.calls, rate.seconds)


def _redis(pool: ConnectionPool) -> RedisStorage:
    """Return storage over a connection pool, because `limits` accepts fewer addresses than redis-py does."""
    return RedisStorage(
        "async+redis://localhost:6379",
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix=SPACE,
        connection_pool=cast("str", pool),  # its annotation is wrong
    )


def _pool(address: str) -> ConnectionPool:
    from redis.asyncio import ConnectionPool

    return ConnectionPool.from_url(address, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)


class Budget:
    """The rates of the account and the calls under way.

    `state` is shared with the server's other workers. `own` are rates by model that replace the published ones;
    `published` applies the published rates to other models. A call waits for at most `patience` seconds. `concurrency`
    bounds the calls under way. `on_wait` is called with the seconds that each call has waited.
    """

    def __init__(
        self,
        *,
        redis: str | None,
        own: Mapping[str, Rate],
        published: bool,
        patience: float,
        concurrency: int,
        on_wait: Callable[[float], object] = lambda _: None,
        state: CommonState | None = None,
    ) -> None:
        self._state = state or OwnState()
        self.slots = Slots(self._state.shares("calls", concurrency))
        self._limiter = Limiter(redis, self._state.windows())
        self._own = own
        self._published = published
        self._patience = patience
        self._on_wait = on_wait
        self._turnstiles: dict[tuple[str, str], _Turnstile] = {}

    async def close(self) -> None:
        await self._limiter.close()

    @property
    def waiting(self) -> int:
        return self.slots.waiting + sum(turnstile.waiting for turnstile in self._turnstiles.values())

    def slot(self, party: Party) -> contextlib.AbstractAsyncContextManager[None]:
        """Hold one of the `concurrency` slots. Raises BudgetSpent after `patience` seconds."""
        return _HeldSlot(self.slots, party, self._awaited_slot)

    @contextlib.asynccontextmanager
    async def _awaited_slot(self, party: Party) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._patience):
                    await stack.enter_async_context(self.slots.taken(party))
            except TimeoutError:
                own = f"The concurrency limit of this key is {party.concurrency}."
                reason = own if self.slots.capped(party) else "Too many calls are under way."
                raise BudgetSpent(reason, retry_after=self._patience) from None
            yield

    async def turn(self, model: str, principal: Principal) -> None:
        """Wait until the principal's account may call `model`.

        Raises BudgetSpent if that takes longer than `patience`.
        """
        started = time.monotonic()
        try:
            await self._turn(model, principal)
        finally:
            self._on_wait(time.monotonic() - started)

    async def _turn(self, model: str, principal: Principal) -> None:
        limit = rates.rate(model, self._own, published=self._published) if model else None
        if limit is None:
            return
        rate, names = limit[1].spread, (_account(principal.key), limit[0])
        turnstile = self._turnstile(names)
        if not turnstile.slots.busy and await self._limiter.spend(rate, *names):
            return
        wait = await self._wait(rate, names, turnstile.ahead(principal.party))
        if wait > self._patience:
            raise _spent(names[1], wait)
        try:
            async with asyncio.timeout(self._patience), turnstile.taken(principal.party):
                while not await self._limiter.spend(rate, *names):  # noqa: ASYNC110 - other processes spend it too
                    await asyncio.sleep(min(LOOK, max(0.01, (await self._limiter.left(rate, *names))[1])))
        except TimeoutError:
            raise _spent(names[1], await self._wait(rate, names, turnstile.ahead(principal.party))) from None

    async def charge(self, name: str, rate: str | None) -> None:
        """Count a request against the rate limit of its key, such as "2/minute". Raises BudgetSpent."""
        if rate is None:
            return
        limit = rates.parse(rate)
        if not await self._limiter.spend(limit, "caller", name):
            _, seconds = await self._limiter.left(limit, "caller", name)
            raise BudgetSpent(f"The rate limit of this key is {rate.replace('/', ' per ')}.", retry_after=seconds)

    async def _wait(self, rate: Rate, names: tuple[str, str], ahead: int) -> float:
        """Return the seconds until a call with `ahead` others in front of it can go."""
        left, seconds = await self._limiter.left(rate, *names)
        return 0.0 if ahead < left else seconds + (ahead - left) // rate.calls * rate.seconds

    def _turnstile(self, names: tuple[str, str]) -> _Turnstile:
        if len(self._turnstiles) > KNOWN:
            self._turnstiles = {of: queue for of, queue in self._turnstiles.items() if queue.waiting}
        turnstile = self._turnstiles.get(names)
        if turnstile is None:
            waiting = self._state.shares("\0".join(("waiting", *names)))
            turnstile = self._turnstiles[names] = _Turnstile(waiting, self._state.others)
        return turnstile


class _HeldSlot:
    """A context that holds a slot: a free one, or else the one of the context that `wait` returns."""

    def __init__(
        self, slots: Slots, party: Party, wait: Callable[[Party], contextlib.AbstractAsyncContextManager[None]]
    ) -> None:
        self._slots = slots
        self._party = party
        self._wait = wait
        self._awaited: contextlib.AbstractAsyncContextManager[None] | None = None

    async def __aenter__(self) -> None:
        if not self._slots.take(self._party):
            self._awaited = self._wait(self._party)
            await self._awaited.__aenter__()

    async def __aexit__(self, *raised: Any) -> None:  # noqa: ANN401 - the three of every context manager
        if self._awaited:
            await self._awaited.__aexit__(*raised)
        else:
            self._slots.give(self._party)


class _Turnstile:
    """The queue of this process for a rate. Only its first call polls the limiter; the others wait behind it.

    The queues of `others` other workers go on at the same time. `waiting` counts the calls in all queues.
    """

    def __init__(self, waiting: Shares, others: int) -> None:
        self.slots = Slots(Shares(1))
        self._everywhere = waiting
        self._others = others

    @property
    def waiting(self) -> int:
        return self.slots.waiting + self.slots.busy

    def ahead(self, party: Party) -> int:
        """Return the number of calls before the party's next one."""
        ahead = self.slots.ahead(party)
        if not self._others:
            return ahead
        return ahead + min(self._everywhere.used - self.waiting, self._others * (ahead + 1))

    @contextlib.asynccontextmanager
    async def taken(self, party: Party) -> AsyncIterator[None]:
        self._everywhere.take(ANYONE)
        try:
            async with self.slots.taken(party):
                yield
        finally:
            self._everywhere.give(ANYONE)


def _account(key: str) -> str:
    return hashlib.sha256(f"account {key}".encode()).hexdigest()[:16]


def _spent(name: str, wait: float) -> BudgetSpent:
    message = f"The account's rate for {name} is used up. The next call is possible in {wait:.0f} s."
    return BudgetSpent(message, retry_after=wait)
