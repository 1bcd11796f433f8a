"""What may happen to a job: pure steps from one record to the next, and the way to take one against a store.

    queued ── submitted ──> running ── ended ──> completed | failed ── delivered, time ──> expired ── time ──> dropped
       └──────── cancelled ────┴─────────────> cancelled ─────────────────────────────────────┘

A step that is None is not to be taken: the job is not where the step begins, or not ours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from compat.errors import Conflict, Failure, failure
from compat.jobs.records import Hook, Job
from compat.jobs.store import Store
from compat.transcript import Ask, Transcript

LEASE = 20.0  # seconds without a sign of life after which a job's holder counts as dead
UNFETCHED = 86400.0  # seconds that an answer waits for its caller; the service keeps its own as long
REMEMBERED = 86400.0  # seconds that an erased job is known by its id
LONGEST = 2 * 86400.0  # seconds after which a job under way that nobody can take over is dropped
CALL = 60.0  # seconds after which a webhook that is being called counts as not called
MOST_VIEWS = 32  # requests of different form, or webhooks, that may share one job
PAUSES = (1.0, 10.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)  # seconds between the attempts to call a webhook
NOBODY = ""

Step = Callable[[Job], Job | None]
CANCELLED = failure(Conflict("The job was cancelled.", code="job_cancelled"))


async def change(store: Store, job_id: str, step: Step) -> Job | None:
    """Takes `step` from the job's latest record and gives the job as it is then, changed or not; None: no such job."""
    while (job := await store.get(job_id)) is not None:
        changed = step(job)
        if changed is None:
            return job
        kept = await store.swap(job, changed)
        if kept is not None:
            return kept
    return None


def abandoned(job: Job, now: float, dead: Collection[str]) -> bool:
    return job.under_way and (job.due < now or job.holder == NOBODY or job.holder in dead)


def taken(job: Job, holder: str, now: float) -> Job:
    return msgspec.structs.replace(job, holder=holder, due=now + LEASE)


def claimed(job: Job, now: float) -> Job:
    """For one process to call its webhooks."""
    return msgspec.structs.replace(job, due=now + CALL)


def put_off(job: Job, until: float) -> Job:
    """Its webhooks have to wait."""
    return msgspec.structs.replace(job, due=until)


def freed(job: Job, holder: str, now: float) -> Job | None:
    """For anybody to take over, at once."""
    return _ours(job, holder, holder=NOBODY, due=now)


def renewed(job: Job, holder: str, now: float, task_id: str | None) -> Job | None:
    if task_id is None:
        return _ours(job, holder, due=now + LEASE)
    return _ours(job, holder, due=now + LEASE, task_id=task_id, state="running")


def started(job: Job, holder: str, now: float) -> Job | None:
    """Its holder works on it without a task."""
    return _ours(job, holder, due=now + LEASE, state="running")


def awaited(job: Job, until: float) -> Job | None:
    return msgspec.structs.replace(job, awaited=until) if job.under_way and until > job.awaited else None


def asked_for(job: Job, view: Ask, webhook_url: str | None) -> Job | None:
    """With one more way of putting the answer, and one more address to call. Raises Conflict beyond MOST_VIEWS."""
    views = job.views if view in job.views else (*job.views, view)
    hook = Hook(webhook_url, views.index(view)) if webhook_url else None
    hooks = job.hooks if hook is None or hook in job.hooks else (*job.hooks, hook)
    left = tuple(index for index in job.left if index != views.index(view))
    if (views, hooks, left) == (job.views, job.hooks, job.left):
        return None
    if max(len(views), len(hooks)) > MOST_VIEWS:
        raise Conflict("Too many background requests share this audio's job: cancel it, or wait until it ends.")
    due = job.due if job.under_way else _next(hooks, job.until)
    return msgspec.structs.replace(job, views=views, hooks=hooks, left=left, due=due)


def left(job: Job, view: int) -> Job | None:
    """Without the request that `view` is: its webhooks are not called."""
    if view in job.left:
        return None
    hooks = tuple(hook for hook in job.hooks if hook.view != view)
    due = job.due if job.under_way else _next(hooks, job.until)
    return msgspec.structs.replace(job, left=(*job.left, view), hooks=hooks, due=due)


def ended(job: Job, outcome: Transcript | Failure, now: float) -> Job | None:
    if isinstance(outcome, Transcript):
        return _over(job, now, state="completed", transcript=outcome)
    return _over(job, now, state="cancelled" if outcome == CANCELLED else "failed", failure=outcome)


def delivered(job: Job, now: float, retention: float) -> Job | None:
    """Its time begins to run. While callers at other processes may still wait, it stays until they have seen it."""
    until = max(now + retention, min(job.awaited, now + LEASE))
    if job.state != "completed" or until >= job.until:
        return None
    if until > now:
        return msgspec.structs.replace(job, until=until, due=_next(job.hooks, until))
    if job.hooks:
        return msgspec.structs.replace(job, until=until, transcript=None)  # they have yet to hear of it
    return expired(job, now)


def expired(job: Job, now: float) -> Job:
    return msgspec.structs.replace(
        job, state="expired", transcript=None, failure=None, hooks=(), due=now + REMEMBERED, until=now
    )


def called(job: Job, hook: Hook, *, arrived: bool, now: float) -> Job | None:
    """After a webhook was called."""
    if hook not in job.hooks:
        return None
    hooks = tuple(other for other in job.hooks if other != hook)
    if not arrived and hook.tries < len(PAUSES):
        again = msgspec.structs.replace(hook, tries=hook.tries + 1, at=now + PAUSES[hook.tries])
        hooks = (*hooks, again)
    return msgspec.structs.replace(job, hooks=hooks, due=_next(hooks, job.until))


def _next(hooks: tuple[Hook, ...], until: float) -> float:
    return min((hook.at for hook in hooks), default=until)


def _ours(job: Job, holder: str, /, **changes: object) -> Job | None:
    if not job.under_way or job.holder != holder:
        return None
    return msgspec.structs.replace(job, **changes)


def _over(job: Job, now: float, **changes: object) -> Job | None:
    if not job.under_way:
        return None
    until = now + UNFETCHED
    return msgspec.structs.replace(job, until=until, due=_next(job.hooks, until), **changes)
