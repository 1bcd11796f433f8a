"""The fallback between two peers with scripted responses. The second is called only if that may help."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from compat.config.principal import Principal
from compat.dashscope_api.calls import Call, Flow, Submitted, ask
from compat.errors import (
    BadAudio,
    BadRequest,
    BudgetSpent,
    CircuitOpen,
    ClosedNormally,
    CompatError,
    FileNotFetched,
    Forbidden,
    ModelNotFound,
    NotAuthenticated,
    Overloaded,
    QuotaExceeded,
    RateLimited,
    ServiceFailed,
    ServiceTimedOut,
    ServiceUnavailable,
)
from compat.transcription.file_tasks import drive
from compat.upstream.fallback import Fallback, helps
from tests.upstream.test_http import ASK, BROKEN, BUSY, CUT, LIMITED, OK, REFUSED, SUBMIT, Peer, peer

REJECTED = b"HTTP/1.1 400 No\r\ncontent-length: 27\r\n\r\n" + b'{"code":"InvalidParameter"}'
FIRST = Principal("first-key")
POOR = b"HTTP/1.1 400 No\r\ncontent-length: 20\r\n\r\n" + b'{"code":"Arrearage"}'

HELPS = [
    # the error → whether another account may succeed: if the call can be repeated, and if that would do harm
    (NotAuthenticated, True, True),
    (Forbidden, True, True),
    (QuotaExceeded, True, True),
    (RateLimited, True, True),
    (ServiceUnavailable, True, True),
    (CircuitOpen, True, True),
    (ClosedNormally, True, True),
    (ServiceFailed, True, False),
    (ServiceTimedOut, True, False),
    (FileNotFetched, False, False),
    (BudgetSpent, False, False),
    (Overloaded, False, False),
    (BadRequest, False, False),
    (BadAudio, False, False),
    (ModelNotFound, False, False),
]


@pytest.mark.parametrize(("error", "repeatable", "harmful"), HELPS)
def test_the_fallback_is_used_only_for_errors_that_it_can_avoid(
    error: type[CompatError], repeatable: bool, harmful: bool
) -> None:
    assert (repeatable, harmful) == (helps(error("x")), helps(error("x"), certain=False))


@contextlib.asynccontextmanager
async def two(
    first: Sequence[bytes | None], second: Sequence[bytes | None]
) -> AsyncIterator[tuple[Peer, Peer, Fallback]]:
    async with peer(*first, attempts=2) as (one, at_one), peer(*second, attempts=1) as (other, at_other):
        yield one, other, Fallback(at_one, at_other, "second-key")


CALLS = [
    # responses of the first and the second → the error raised, number of requests to the first and the second
    ([OK], [], None, 1, 0),
    ([REFUSED], [OK], None, 1, 1),
    ([POOR], [OK], None, 1, 1),
    ([BROKEN, OK], [], None, 2, 0),
    ([BROKEN, BROKEN], [OK], None, 2, 1),
    ([LIMITED, LIMITED], [OK], None, 2, 1),
    ([None], [OK], None, 1, 1),
    ([REJECTED], [], BadRequest, 1, 0),
    ([REFUSED], [BROKEN], NotAuthenticated, 1, 1),
    ([REFUSED], [REJECTED], NotAuthenticated, 1, 1),
]


@pytest.mark.parametrize(("first", "second", "error", "asked", "asked_too"), CALLS)
async def test_a_failed_call_is_repeated_at_the_second(
    first: list[bytes | None],
    second: list[bytes | None],
    error: type[CompatError] | None,
    asked: int,
    asked_too: int,
) -> None:
    async with two(first, second) as (one, other, calls):
        with pytest.raises(error) if error else contextlib.nullcontext():
            assert b"{}" == (await calls.send(ASK, FIRST)).body

    assert (asked, asked_too) == (len(one.requests), len(other.requests))
    assert all(b"Bearer first-key\r\n" in request for request in one.requests)
    assert all(b"Bearer second-key\r\n" in request for request in other.requests)


async def test_a_call_that_refers_to_something_in_the_first_account_stays_there() -> None:
    bound = msgspec.structs.replace(ASK, bound=True)
    async with two([REFUSED, REFUSED], [OK]) as (_, other, calls):
        with pytest.raises(NotAuthenticated):
            await calls.send(bound, FIRST)
        with pytest.raises(NotAuthenticated):
            await streamed(calls, bound)
        assert [] == other.requests


async def streamed(calls: Fallback, call: Call = ASK) -> bytes:
    async with contextlib.aclosing(calls.stream(call, FIRST)) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_a_stream_falls_back_only_before_its_first_byte() -> None:
    async with two([REFUSED], [OK]) as (_, _, calls):
        assert b"{}" == await streamed(calls)
    async with two([CUT], [OK]) as (_, other, calls):
        with pytest.raises(ServiceFailed):
            await streamed(calls)
        assert [] == other.requests
    async with two([REFUSED], [REFUSED]) as (_, _, calls):
        with pytest.raises(NotAuthenticated):
            await streamed(calls)


UPLOAD = Call(method="POST", url="/upload")
QUERY = Call(method="GET", url="/query")


def job() -> Flow[str]:
    yield from ask(UPLOAD)
    yield from ask(SUBMIT)
    yield Submitted("t1")
    yield from ask(QUERY)
    return "text"


class Notes:
    """A TaskOwner that records its calls."""

    def __init__(self, *, awaited: bool = True) -> None:
        self.awaited = awaited
        self.calls: list[str] = []

    async def submitting(self) -> None:
        self.calls.append("submitting")

    async def submitted(self, task_id: str) -> None:
        self.calls.append(task_id)


JOBS = [
    # responses of the first and the second → the error raised, number of requests to either, the task's id
    ([OK, OK, OK], [], None, 3, 0, "t1"),
    ([BROKEN, BROKEN], [OK, OK, OK], None, 2, 3, "fallback:t1"),
    ([OK, BUSY, BUSY], [OK, OK, OK], None, 3, 3, "fallback:t1"),
    ([OK, REFUSED], [OK, OK, OK], None, 2, 3, "fallback:t1"),
    ([OK, BROKEN], [], ServiceFailed, 2, 0, None),  # the task may have been accepted
    ([OK, CUT], [], ServiceFailed, 2, 0, None),
    ([OK, OK, REFUSED], [], NotAuthenticated, 3, 0, "t1"),  # the task was accepted
    ([OK, OK, BROKEN, BROKEN], [], ServiceFailed, 4, 0, "t1"),
    ([REJECTED], [], BadRequest, 1, 0, None),
]


@pytest.mark.parametrize(("first", "second", "error", "asked", "asked_too", "task"), JOBS)
async def test_a_task_is_submitted_once_and_stays_at_its_service(
    first: list[bytes | None],
    second: list[bytes | None],
    error: type[CompatError] | None,
    asked: int,
    asked_too: int,
    task: str | None,
) -> None:
    notes = Notes()
    async with two(first, second) as (one, other, calls):
        with pytest.raises(error) if error else contextlib.nullcontext():
            assert "text" == await calls.attempt(lambda account: drive(job(), account, notes), FIRST)

    assert (asked, asked_too) == (len(one.requests), len(other.requests))
    assert task == next((note for note in notes.calls if note != "submitting"), None)


def known(task_id: str) -> Flow[str]:
    yield Submitted(task_id)
    yield from ask(Call(method="GET", url=f"/query/{task_id}"))
    return "text"


@pytest.mark.parametrize(("task", "asked"), [("t1", (1, 0)), ("fallback:t1", (0, 1))])
async def test_a_task_is_resumed_at_the_service_that_has_it(task: str, asked: tuple[int, int]) -> None:
    notes = Notes()
    async with two([OK], [OK]) as (one, other, calls):
        account, task_id = calls.account(task, FIRST)
        assert "text" == await drive(known(task_id), account, notes)

    assert asked == (len(one.requests), len(other.requests))
    assert all(b"/query/t1 " in request for request in [*one.requests, *other.requests])
    assert [task] == notes.calls


@pytest.mark.parametrize(("task", "asked"), [("t1", (1, 0)), ("fallback:t1", (0, 1))])
async def test_a_task_is_cancelled_at_the_service_that_has_it(task: str, asked: tuple[int, int]) -> None:
    async with two([OK], [OK]) as (one, other, calls):
        account, task_id = calls.account(task, FIRST)
        await account.cancel(task_id)

    assert asked == (len(one.requests), len(other.requests))
