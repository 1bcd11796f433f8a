"""Two peers: the first does what a row says, the second is asked only when that may help."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from compat.dashscope_api.calls import Call, Flow, Submitted, ask
from compat.errors import (
    BadAudio,
    BadRequest,
    BudgetSpent,
    CircuitOpen,
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
POOR = b"HTTP/1.1 400 No\r\ncontent-length: 20\r\n\r\n" + b'{"code":"Arrearage"}'

HELPS = [
    # the error → whether another account may do better, at all and where doing it twice would do harm
    (NotAuthenticated, True, True),
    (Forbidden, True, True),
    (QuotaExceeded, True, True),
    (RateLimited, True, True),
    (ServiceUnavailable, True, True),
    (CircuitOpen, True, True),
    (ServiceFailed, True, False),
    (ServiceTimedOut, True, False),
    (FileNotFetched, False, False),
    (BudgetSpent, False, False),
    (Overloaded, False, False),
    (BadRequest, False, False),
    (BadAudio, False, False),
    (ModelNotFound, False, False),
]


@pytest.mark.parametrize(("error", "at_all", "twice"), HELPS)
def test_it_is_asked_for_what_it_can_mend(error: type[CompatError], at_all: bool, twice: bool) -> None:
    assert (at_all, twice) == (helps(error("x")), helps(error("x"), certain=False))


@contextlib.asynccontextmanager
async def two(
    first: Sequence[bytes | None], second: Sequence[bytes | None]
) -> AsyncIterator[tuple[Peer, Peer, Fallback]]:
    async with peer(*first, attempts=2) as (one, at_one), peer(*second, attempts=1) as (other, at_other):
        yield one, other, Fallback(at_one, at_other, "second-key")


CALLS = [
    # what the first answers, what the second → what is raised, how often either was asked
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
async def test_a_call_goes_on_to_the_second(
    first: list[bytes | None],
    second: list[bytes | None],
    error: type[CompatError] | None,
    asked: int,
    asked_too: int,
) -> None:
    async with two(first, second) as (one, other, calls):
        with pytest.raises(error) if error else contextlib.nullcontext():
            assert b"{}" == (await calls.send(ASK, "first-key")).body

    assert (asked, asked_too) == (len(one.requests), len(other.requests))
    assert all(b"Bearer first-key\r\n" in request for request in one.requests)
    assert all(b"Bearer second-key\r\n" in request for request in other.requests)


async def streamed(calls: Fallback) -> bytes:
    async with contextlib.aclosing(calls.stream(ASK, "first-key")) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_a_stream_begins_at_the_second_or_ends_at_the_first() -> None:
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
    return "heard"


class Notes:
    """An owner that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def submitting(self) -> None:
        self.told.append("submitting")

    async def submitted(self, task_id: str) -> None:
        self.told.append(task_id)


JOBS = [
    # what the first answers, what the second → what is raised, how often either was asked, where the task is
    ([OK, OK, OK], [], None, 3, 0, "t1"),
    ([BROKEN, BROKEN], [OK, OK, OK], None, 2, 3, "fallback:t1"),
    ([OK, BUSY, BUSY], [OK, OK, OK], None, 3, 3, "fallback:t1"),
    ([OK, REFUSED], [OK, OK, OK], None, 2, 3, "fallback:t1"),
    ([OK, BROKEN], [], ServiceFailed, 2, 0, None),  # it may have been taken
    ([OK, CUT], [], ServiceFailed, 2, 0, None),
    ([OK, OK, REFUSED], [], NotAuthenticated, 3, 0, "t1"),  # it is there
    ([OK, OK, BROKEN, BROKEN], [], ServiceFailed, 4, 0, "t1"),
    ([REJECTED], [], BadRequest, 1, 0, None),
]


@pytest.mark.parametrize(("first", "second", "error", "asked", "asked_too", "task"), JOBS)
async def test_a_task_is_submitted_once_and_stays_where_it_is(
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
            assert "heard" == await calls.attempt(lambda account: drive(job(), account, notes), "first-key")

    assert (asked, asked_too) == (len(one.requests), len(other.requests))
    assert task == next((note for note in notes.told if note != "submitting"), None)


def known(task_id: str) -> Flow[str]:
    yield Submitted(task_id)
    yield from ask(Call(method="GET", url=f"/query/{task_id}"))
    return "heard"


@pytest.mark.parametrize(("task", "asked"), [("t1", (1, 0)), ("fallback:t1", (0, 1))])
async def test_who_takes_a_task_over_asks_where_it_is(task: str, asked: tuple[int, int]) -> None:
    notes = Notes()
    async with two([OK], [OK]) as (one, other, calls):
        account, task_id = calls.account(task, "first-key")
        assert "heard" == await drive(known(task_id), account, notes)

    assert asked == (len(one.requests), len(other.requests))
    assert all(b"/query/t1 " in request for request in [*one.requests, *other.requests])
    assert [task] == notes.told


@pytest.mark.parametrize(("task", "asked"), [("t1", (1, 0)), ("fallback:t1", (0, 1))])
async def test_a_task_is_cancelled_where_it_is(task: str, asked: tuple[int, int]) -> None:
    async with two([OK], [OK]) as (one, other, calls):
        await calls.cancel(task, "first-key")

    assert asked == (len(one.requests), len(other.requests))
