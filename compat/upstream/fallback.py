"""A second account, or a second region, for what the first cannot do now.

A call goes there when the first has refused the key, its balance is used up, or it has failed as often as it is asked;
never for a mistake of the caller's. A file task stays where it was submitted: its id, as it is told to a custodian,
says where.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Final, TypeVar

from compat.dashscope_api.calls import Call, Flow, Reply, Submitted, Wait
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
from compat.upstream.http import Custodian, Service
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

    async def follow(self, begin: Callable[[], Flow[T]], key: str, custodian: Custodian | None = None) -> T:
        """A flow that has to restart elsewhere, as what it uploads lies where it was uploaded."""
        watch = _Watch()
        try:
            return await self._first.follow(lambda: watch.over(begin()), key, custodian)
        except CompatError as exc:
            if watch.submitted or not helps(exc, certain=not watch.submitting):
                raise
            failure = exc
        with _instead_of(failure):
            return await self._second.follow(begin, self._key, custodian and _Marking(custodian))

    async def resume(self, begin: Callable[[str], Flow[T]], task_id: str, key: str, custodian: Custodian) -> T:
        if task_id.startswith(MARK):
            return await self._second.resume(begin, task_id.removeprefix(MARK), self._key, _Marking(custodian))
        return await self._first.resume(begin, task_id, key, custodian)

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


class _Watch:
    """Sees how far a flow has come."""

    def __init__(self) -> None:
        self.submitting = False
        self.submitted = False

    def over(self, flow: Flow[T]) -> Flow[T]:
        try:
            step = next(flow)
            while True:
                self._note(step)
                try:
                    reply = yield step
                except CompatError as exc:
                    step = flow.throw(exc)
                else:
                    step = flow.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            flow.close()

    def _note(self, step: Call | Wait | Submitted) -> None:
        self.submitting = isinstance(step, Call) and not step.repeatable
        self.submitted = self.submitted or isinstance(step, Submitted)


class _Marking:
    """A custodian who is told where the task is."""

    def __init__(self, custodian: Custodian) -> None:
        self._custodian = custodian

    async def submitting(self) -> None:
        await self._custodian.submitting()

    async def submitted(self, task_id: str) -> None:
        await self._custodian.submitted(MARK + task_id)
