"""State transitions of a job, on a real store with explicit times."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from compat.errors import Conflict, Failure, ServiceFailed, failure
from compat.jobs import transitions
from compat.jobs.opening import open_store
from compat.jobs.records import DonePieces, Hook, Job
from compat.jobs.store import Store
from compat.jobs.transitions import LEASE, PAUSES, UNFETCHED, change
from compat.transcript import Ask, Transcript
from tests.jobs.making import a_job

TRANSCRIPT = Transcript(text="The best.")
FAILED = failure(ServiceFailed("it failed"))
HOUR = 3600.0
PLAIN = Ask(model="whisper-1")
SUBTITLES = Ask(model="whisper-1", response_format="srt")
URL = "https://caller.example/done"


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = open_store(None)
    yield opened
    await opened.close()


def opened(holder: str = "first") -> Job:
    """Return a job created at second 100."""
    return a_job(holder=holder, created=100.0, due=100.0 + LEASE)


def running(holder: str = "first") -> Job:
    return must(transitions.renewed(opened(holder), holder, 101.0, "task"))


def completed(**fields: object) -> Job:
    """Return a job that ended at second 110."""
    return must(transitions.ended(msgspec.structs.replace(running(), **fields), TRANSCRIPT, 110.0))


def must(job: Job | None) -> Job:
    assert job is not None
    return job


async def test_a_job_of_a_killed_process_is_taken_over_once(store: Store) -> None:
    job = await store.open(opened("first"))
    await change(store, job.id, lambda job: transitions.renewed(job, "first", 101.0, None))
    await change(store, job.id, lambda job: transitions.renewed(job, "first", 102.0, "task"))

    # The first process is killed, and a second one gets the same request.
    stored = await store.open(a_job(key=job.key, holder="second"))
    assert (job.id, "task", "running") == (stored.id, stored.task_id, stored.state)
    assert not transitions.abandoned(stored, 102.0 + LEASE, dead=())
    assert transitions.abandoned(stored, 102.1 + LEASE, dead=())
    assert transitions.abandoned(stored, 103.0, dead={"first"})

    mine = must(await store.swap(stored, transitions.taken_over(stored, "second", 130.0)))
    assert await store.swap(stored, transitions.taken_over(stored, "third", 130.0)) is None
    ended = must(await change(store, job.id, lambda job: transitions.ended(job, TRANSCRIPT, 140.0)))
    assert ("completed", TRANSCRIPT, "task", "second") == (ended.state, ended.transcript, ended.task_id, mine.holder)


def test_a_former_holder_cannot_change_the_job() -> None:
    theirs = transitions.taken_over(running(), "second", 130.0)

    assert transitions.renewed(theirs, "first", 131.0, "another task") is None
    assert transitions.freed(theirs, "first", 131.0) is None


def test_a_heartbeat_stores_the_progress() -> None:
    done = DonePieces(60.0, 2)

    assert done == must(transitions.renewed(opened("first"), "first", 101.0, None, done)).progress
    assert transitions.taken_over(running(), "second", 130.0).progress is None


def test_an_ended_job_does_not_end_again() -> None:
    cancelled = must(transitions.ended(running(), transitions.CANCELLED, 105.0))

    assert "cancelled" == cancelled.state
    assert transitions.ended(cancelled, TRANSCRIPT, 110.0) is None
    assert transitions.renewed(cancelled, "first", 110.0, "task") is None
    assert transitions.awaited(cancelled, 500.0) is None


def test_a_released_job_can_be_taken_over_at_once() -> None:
    free = must(transitions.freed(running(), "first", 102.0))

    assert transitions.abandoned(free, 102.0, dead=())


def test_the_time_that_callers_wait_until_only_grows() -> None:
    waited = must(transitions.awaited(running(), 500.0))

    assert 500.0 == waited.awaited
    assert transitions.awaited(waited, 400.0) is None


@pytest.mark.parametrize(
    ("outcome", "state"), [(TRANSCRIPT, "completed"), (FAILED, "failed"), (transitions.CANCELLED, "cancelled")]
)
def test_an_unfetched_result_is_kept_for_a_day(outcome: Transcript | Failure, state: str) -> None:
    ended = must(transitions.ended(running(), outcome, 110.0))

    assert (state, 110.0 + UNFETCHED, 110.0 + UNFETCHED) == (ended.state, ended.until, ended.due)


# retention, time until which callers wait -> time until which the result is kept, whether it is erased at once
DELIVERIES = [
    (HOUR, 0.0, 120.0 + HOUR, False),
    (0.0, 0.0, 120.0, True),
    (0.0, 119.0, 120.0, True),
    (0.0, 130.0, 130.0, False),
    (0.0, 9999.0, 120.0 + LEASE, False),
    (HOUR, 130.0, 120.0 + HOUR, False),
]


@pytest.mark.parametrize(("retention", "awaited", "until", "erased"), DELIVERIES)
def test_delivery_starts_the_retention_time(retention: float, awaited: float, until: float, erased: bool) -> None:
    delivered = must(transitions.delivered(completed(awaited=awaited), 120.0, retention))

    assert (until, erased) == (delivered.until, delivered.transcript is None)
    assert ("expired" if erased else "completed") == delivered.state


def test_webhooks_are_called_even_if_the_result_was_erased_at_once() -> None:
    job = must(transitions.delivered(completed(hooks=(Hook(URL, 0),)), 120.0, 0.0))
    assert (None, "completed", 110.0) == (job.transcript, job.state, job.due)

    called = must(transitions.called(job, job.hooks[0], arrived=True, now=121.0))
    assert called.due == called.until == 120.0


def test_a_second_delivery_does_not_prolong_the_retention() -> None:
    delivered = must(transitions.delivered(completed(), 120.0, HOUR))

    assert transitions.delivered(delivered, 130.0, HOUR) is None


def test_an_expired_job_has_no_result_and_no_webhooks() -> None:
    job = transitions.expired(completed(hooks=(Hook(URL, 0),)), 200.0)

    assert (None, None, ()) == (job.transcript, job.failure, job.hooks)
    assert 200.0 < job.due


def test_views_and_webhooks_are_added_once() -> None:
    job = must(transitions.requested(opened(), PLAIN, URL, 101.0))

    assert transitions.requested(job, PLAIN, URL, 102.0) is None
    more = must(transitions.requested(job, SUBTITLES, URL, 103.0))
    assert ((PLAIN, SUBTITLES), (Hook(URL, 0, at=101.0), Hook(URL, 1, at=103.0))) == (more.views, more.hooks)
    assert job.due == more.due


def test_a_webhook_for_an_ended_job_is_due_at_once() -> None:
    job = must(transitions.requested(completed(), PLAIN, URL, 120.0))

    assert 120.0 == job.due


def test_webhooks_are_due_when_the_job_ends() -> None:
    asked = must(transitions.requested(running(), PLAIN, URL, 101.0))
    ended = must(transitions.ended(asked, TRANSCRIPT, 101.0 + 2 * UNFETCHED))

    assert 101.0 + 2 * UNFETCHED == ended.due


def test_a_webhook_is_retried_with_growing_pauses_and_then_given_up() -> None:
    job = completed(hooks=(Hook(URL, 0), Hook(URL, 1)))
    assert 110.0 == job.due
    job = must(transitions.called(job, job.hooks[0], arrived=True, now=111.0))
    assert (Hook(URL, 1, at=110.0),) == job.hooks

    now, waits = 111.0, []
    while job.hooks:
        job = must(transitions.called(job, job.hooks[0], arrived=False, now=now))
        waits.append(job.due - now)
        now = job.due
    assert [*PAUSES] == waits[:-1]
    assert job.until == job.due


def test_each_webhook_has_its_own_retry_time() -> None:
    first, second = Hook(URL, 0, at=110.0), Hook(URL, 1, at=110.0)
    job = must(transitions.called(completed(hooks=(first, second)), first, arrived=False, now=111.0))
    job = must(transitions.called(job, second, arrived=True, now=112.0))

    assert 111.0 + PAUSES[0] == job.due
    assert transitions.called(job, first, arrived=True, now=113.0) is None


async def test_concurrent_changes_are_all_applied(store: Store) -> None:
    job = await store.open(opened())
    seen: list[Job] = []

    def late(now: Job) -> Job | None:
        seen.append(now)
        return transitions.awaited(now, 900.0)

    await change(store, job.id, lambda job: transitions.renewed(job, "first", 101.0, "task"))
    changed = must(await change(store, job.id, late))

    assert ("task", 900.0) == (changed.task_id, changed.awaited)
    assert await change(store, "another", late) is None
    assert 1 == len(seen)


def test_the_number_of_requests_that_share_a_job_is_bounded() -> None:
    job, urls = opened(), [f"{URL}/{number}" for number in range(transitions.MOST_VIEWS + 1)]
    for url in urls[:-1]:
        job = must(transitions.requested(job, PLAIN, url, 101.0))
    with pytest.raises(Conflict):
        transitions.requested(job, PLAIN, urls[-1], 101.0)
    for number in range(transitions.MOST_VIEWS - 1):
        job = must(transitions.requested(job, msgspec.structs.replace(PLAIN, ignored=(str(number),)), None, 101.0))
    with pytest.raises(Conflict):
        transitions.requested(job, SUBTITLES, None, 101.0)

    assert transitions.requested(job, PLAIN, urls[0], 101.0) is None
