"""A second account, or a second region, for what the first cannot do now.

A call goes there when the first has refused the key, its balance is used up, or it has failed as often as it is asked;
never for a mistake of the caller's. A file task stays where it was submitted: a MARK before its id says where.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Final, TypeVar

from compat.dashscope_api.calls import Call, Reply
from compat.errors import (
    BudgetSpent,
    CompatError,
    FileNotFetched,
    Forbidden,
    NotAuthenticated,
    Overloaded,
    QuotaExceeded,
    RateLimited,
    ServiceFailed,
    ServiceTimedOut,
    ServiceUnavailable,
)
from compat.upstream.http import Account, Service
from compat.upstream.sockets import Connection, Sockets

T = TypeVar("T")
log = logging.getLogger("compat")

MARK: Final = "fallback:"
LOSSES: Final = 2
UNDONE = (NotAuthenticated, Forbidden, QuotaExceeded, RateLimited, ServiceUnavailable)
UNCERTAIN = (ServiceFailed, ServiceTimedOut)  # the service may have done it all the same


def helps(error: CompatError, *, certain: bool = True) -> bool:
    """Whether another account or region may do better. `certain`: doing it twice does no harm."""
    if isinstance(error, BudgetSpent | FileNotFetched | Overloaded):
        return False
    return isinstance(error, UNDONE) or (certain and isinstance(error, UNCERTAIN))


class Fallback:
    """Asks `first`, then `second` with its own `key`. When neither does it, the first one's error is raised."""

    def __init__(self, first: Service, second: Service, key: str) -> None:
        self._first = first
        self._second = second
        self._key = key

    async def close(self) -> None:
        await self._first.close()
        await self._second.close()

    async def send(self, call: Call, key: str) -> Reply:
        return await _either(self._first.send(call, key), lambda: self._second.send(call, self._key))

    async def stream(self, call: Call, key: str) -> AsyncGenerator[bytes, None]:
        """What has begun ends where it began."""
        begun = False
        try:
            async with contextlib.aclosing(self._first.stream(call, key)) as chunks:
                async for chunk in chunks:
                    begun = True
                    yield chunk
        except CompatError as exc:
            if begun or not helps(exc):
                raise
            failure = exc
        else:
            return
        with _instead_of(failure):
            async with contextlib.aclosing(self._second.stream(call, self._key)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def attempt(self, work: Callable[[Account], Awaitable[T]], key: str) -> T:
        """Does `work` in the first account, then in the second unless a task may have been submitted in the first. It
        starts from the beginning there: what it uploaded stays where it was uploaded."""
        first = Account(self._first, key)
        try:
            return await work(first)
        except CompatError as exc:
            if first.submitted or not helps(exc, certain=not first.submitting):
                raise
            failure = exc
        with _instead_of(failure):
            return await work(Account(self._second, self._key, MARK))

    def account(self, task_id: str, key: str) -> tuple[Account, str]:
        """The account in which a task was submitted, and the task's id there."""
        if task_id.startswith(MARK):
            return Account(self._second, self._key, MARK), task_id.removeprefix(MARK)
        return Account(self._first, key), task_id

    async def cancel(self, task_id: str, key: str) -> None:
        if task_id.startswith(MARK):
            await self._second.cancel(task_id.removeprefix(MARK), self._key)
        else:
            await self._first.cancel(task_id, key)


class LiveFallback:
    """Opens a live connection at `first`, else at `second` with its own `key`; one that is lost is opened again in the
    same way, but the other way round after LOSSES in a row without progress: the first may take connections and keep
    none."""

    def __init__(self, first: Sockets, second: Sockets, key: str) -> None:
        self._first = first
        self._second = second
        self._key = key

    async def open(self, model: str, key: str, losses: int = 0) -> Connection:
        if losses < LOSSES:
            return await _either(self._first.open(model, key), lambda: self._second.open(model, self._key))
        log.warning("the fallback is asked", extra={"fields": {"reason": "losses"}})
        with contextlib.suppress(CompatError):
            return await self._second.open(model, self._key)
        return await self._first.open(model, key)


async def _either(first: Awaitable[T], second: Callable[[], Awaitable[T]]) -> T:
    try:
        return await first
    except CompatError as exc:
        if not helps(exc):
            raise
        failure = exc
    with _instead_of(failure):
        return await second()


@contextlib.contextmanager
def _instead_of(failure: CompatError) -> Iterator[None]:
    log.warning("the fallback is asked", extra={"fields": {"reason": failure.code}})
    try:
        yield
    except CompatError as exc:
        log.warning("the fallback did not help", extra={"fields": {"reason": exc.code}})
        raise failure from exc
