from __future__ import annotations

import asyncio

import pytest

from compat.errors import (
    BadAudio,
    BudgetSpent,
    CompatError,
    FileNotFetched,
    NotAuthenticated,
    Overloaded,
    RateLimited,
    ServiceFailed,
    ServiceTimedOut,
    ServiceUnavailable,
)
from compat.upstream.breaker import BUSY, Breaker, State, failed
from compat.upstream.state import SharedState
from tests.upstream.shared import memories, workers

OK = None
FAILED = ServiceFailed("no")
GONE = asyncio.CancelledError()
WRONG = BadAudio("no")
BUSY_HERE = Overloaded("no")

Outcome = BaseException | None
STORIES: list[tuple[list[tuple[float, Outcome]], float, State]] = [
    # times and outcomes of calls, a later time, the state then; the breaker opens at three failures, for ten seconds
    ([], 0, "closed"),
    ([(1, FAILED), (2, FAILED)], 3, "closed"),
    ([(1, FAILED), (2, FAILED), (3, FAILED)], 12.9, "open"),
    ([(1, FAILED), (2, FAILED), (3, FAILED)], 13, "half-open"),
    ([(1, FAILED), (2, FAILED), (3, OK), (4, FAILED), (5, FAILED)], 6, "closed"),
    ([(1, FAILED), (2, FAILED), (3, WRONG), (4, FAILED), (5, FAILED)], 6, "closed"),
    ([(1, FAILED), (2, GONE), (3, FAILED), (4, GONE), (5, FAILED)], 6, "open"),
    ([(1, FAILED), (2, BUSY_HERE), (3, FAILED), (4, BUSY_HERE)], 6, "closed"),
    ([(1, FAILED), (2, BUSY_HERE), (3, FAILED), (4, BUSY_HERE), (5, FAILED)], 6, "open"),
    ([(1, FAILED), (2, FAILED), (3, FAILED), (14, OK)], 14, "closed"),
    ([(1, FAILED), (2, FAILED), (3, FAILED), (14, WRONG)], 14, "closed"),
    ([(1, FAILED), (2, FAILED), (3, FAILED), (14, FAILED)], 23, "open"),
    ([(1, FAILED), (2, FAILED), (3, FAILED), (14, GONE)], 15, "half-open"),
]


class Pair(Breaker):
    """One breaker, used by two workers in turn."""

    def __init__(self, *, failures: int, pause: float) -> None:
        super().__init__(failures=failures, pause=pause)
        self._two = [state.breaker("chat", failures=failures, pause=pause) for state in workers()]

    def state(self, now: float) -> State:
        return self._two[0].state(now)

    def enter(self, now: float) -> float:
        self._two.reverse()
        return self._two[0].enter(now)

    def leave(self, now: float, outcome: BaseException | None) -> None:
        self._two[0].leave(now, outcome)


@pytest.mark.parametrize("make", [Breaker, Pair])
@pytest.mark.parametrize(("calls", "now", "state"), STORIES)
def test_the_breaker_opens_after_failures_in_a_row_and_closes_after_a_success(
    make: type[Breaker], calls: list[tuple[float, Outcome]], now: float, state: State
) -> None:
    breaker = make(failures=3, pause=10)
    for at, outcome in calls:
        assert 0 == breaker.enter(at)
        breaker.leave(at, outcome)

    assert state == breaker.state(now)


def test_one_call_probes_the_service_and_the_others_get_a_retry_time() -> None:
    breaker = Breaker(failures=1, pause=10)
    breaker.enter(0)
    breaker.leave(0, FAILED)

    assert [10, 4] == [breaker.enter(0), breaker.enter(6)]
    assert [0, BUSY, BUSY] == [breaker.enter(10), breaker.enter(10), breaker.enter(11)]

    breaker.leave(12, GONE)
    assert [0, BUSY] == [breaker.enter(12), breaker.enter(12)]

    breaker.leave(13, OK)
    assert [0, 0] == [breaker.enter(13), breaker.enter(13)]


def test_one_call_of_all_workers_probes_the_service() -> None:
    seen = memories()
    one, other = (SharedState(memory).breaker("chat", failures=1, pause=10) for memory in seen)
    assert 0 == one.enter(0)
    assert 0 == other.enter(0)
    one.leave(0, FAILED)

    assert [4, 4] == [one.enter(6), other.enter(6)]
    assert [0, BUSY] == [other.enter(10), one.enter(10)]
    one.leave(11, GONE)  # a call from before, which does not end the other's
    assert BUSY == one.enter(11)
    seen[0].forget(1)  # the worker that tried has died
    assert [0, BUSY] == [one.enter(12), other.enter(12)]
    one.leave(13, OK)
    assert [0, 0] == [one.enter(13), other.enter(13)]


OUTCOMES: list[tuple[BaseException | None, bool]] = [
    (None, False),
    (ServiceFailed(""), True),
    (ServiceUnavailable(""), True),
    (Overloaded(""), False),
    (ServiceTimedOut(""), True),
    (FileNotFetched(""), False),
    (RateLimited(""), False),
    (BudgetSpent(""), False),
    (NotAuthenticated(""), False),
    (BadAudio(""), False),
    (CompatError(""), False),
    (asyncio.CancelledError(), False),
]


@pytest.mark.parametrize(("outcome", "counts"), OUTCOMES)
def test_only_the_service_s_own_failures_count(outcome: BaseException | None, counts: bool) -> None:
    assert counts == failed(outcome)
