"""Fallback: a second account or region for calls that the first one cannot serve.

A call is repeated at the second service if the first refuses the key, its quota is used up, or all retries have failed,
but never because of a client error, and not if the call refers to something stored in the first account. A file task
stays at the service that it was submitted to: task ids of the second service begin with MARK.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Final, TypeVar

from compat.config.principal import Principal
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
LOSSES: Final = 2  # lost connections in a row after which the second live service is tried first
UNDONE = (NotAuthenticated, Forbidden, QuotaExceeded, RateLimited, ServiceUnavailable)
UNCERTAIN = (ServiceFailed, ServiceTimedOut)  # the service may have processed the call nevertheless


def helps(error: CompatError, *, certain: bool = True) -> bool:
    """Return whether another account or region may succeed. `certain` is false if repeating the call may do harm."""
    if isinstance(error, BudgetSpent | FileNotFetched | Overloaded):
        return False
    return isinstance(error, UNDONE) or (certain and isinstance(error, UNCERTAIN))


class Fallback:
    """Calls `first`, then `second` with its own `key`. If both fail, the error of the first is raised."""

    def __init__(self, first: Service, second: Service, key: str) -> None:
        self._first = first
        self._second = second
        self._key = key

    async def close(self) -> None:
        await self._first.close()
        await self._second.close()

    async def send(self, call: Call, principal: Principal) -> Reply:
        if call.bound:
            return await self._first.send(call, principal)
        instead = principal.using(self._key)
        return await _first_or_second(self._first.send(call, principal), lambda: self._second.send(call, instead))

    async def stream(self, call: Call, principal: Principal) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of the response. There is no fallback after the first byte."""
        begun = False
        try:
            async with contextlib.aclosing(self._first.stream(call, principal)) as chunks:
                async for chunk in chunks:
                    begun = True
                    yield chunk
        except CompatError as exc:
            if begun or call.bound or not helps(exc):
                raise
            failure = exc
        else:
            return
        with _instead_of(failure):
            async with contextlib.aclosing(self._second.stream(call, principal.using(self._key))) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def attempt(self, work: Callable[[Account], Awaitable[T]], principal: Principal) -> T:
        """Run `work` with the first account, then with the second unless the first may have accepted a task.

        With the second account `work` starts from the beginning, because uploads are not shared between accounts.
        """
        first = Account(self._first, principal, last=False)
        try:
            return await work(first)
        except CompatError as exc:
            if first.submitted or not helps(exc, certain=not first.submitting):
                raise
            failure = exc
        with _instead_of(failure):
            return await work(Account(self._second, principal.using(self._key), MARK))

    def account(self, task_id: str, principal: Principal) -> tuple[Account, str]:
        """Return the account that a task was submitted to, and the task's id there. An empty id selects the first."""
        if task_id.startswith(MARK):
            return Account(self._second, principal.using(self._key), MARK), task_id.removeprefix(MARK)
        return Account(self._first, principal), task_id


class LiveFallback:
    """Opens live connections at `first`, or at `second` with its own `key` if the first fails.

    `losses` counts the connections lost in a row without progress. From LOSSES on the order is reversed, because the
    first service may accept connections and drop them. A `bound` connection is opened at the first service only.
    """

    def __init__(self, first: Sockets, second: Sockets, key: str) -> None:
        self._first = first
        self._second = second
        self._key = key

    async def open(self, model: str, principal: Principal, losses: int = 0, *, bound: bool = False) -> Connection:
        if bound:
            return await self._first.open(model, principal)
        instead = principal.using(self._key)
        if losses < LOSSES:
            return await _first_or_second(self._first.open(model, principal), lambda: self._second.open(model, instead))
        log.warning("the fallback is used", extra={"fields": {"reason": "losses"}})
        with contextlib.suppress(CompatError):
            return await self._second.open(model, instead)
        return await self._first.open(model, principal)


async def _first_or_second(first: Awaitable[T], second: Callable[[], Awaitable[T]]) -> T:
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
    log.warning("the fallback is used", extra={"fields": {"reason": failure.code}})
    try:
        yield
    except CompatError as exc:
        log.warning("the fallback failed too", extra={"fields": {"reason": exc.code}})
        raise failure from exc
