"""State transitions of a job: pure functions from one record to the next, and `change`, which applies one to a store.

    queued ── submitted ──> running ── ended ──> completed | failed ── delivered, time ──> expired ── time ──> dropped
       └──────── cancelled ────┴─────────────> cancelled ─────────────────────────────────────┘

A transition returns None if it does not apply: the job is in another state, or another process holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from compat.errors import Conflict, Failure, failure
from compat.jobs.records import DonePieces, Hook, Job
from compat.jobs.store import Store
from compat.transcript import Ask, Transcript

LEASE = 20.0  # seconds without a heartbeat after which a job's holder is presumed dead
UNFETCHED = 86400.0  # seconds that an unfetched result is kept, as long as the service keeps its own
REMEMBERED = 86400.0  # seconds that the id of an erased job is kept
LONGEST = 2 * 86400.0  # seconds after which a job under way that no process can take over is dropped
CALL = 60.0  # seconds after which a claimed webhook call is presumed not made
MOST_VIEWS = 32  # background requests with different parameters, or webhooks, per job
PAUSES = (1.0, 10.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)  # seconds between attempts to call a webhook
NOBODY = ""

Step = Callable[[Job], Job | None]
CANCELLED = failure(Conflict("The job was cancelled.", code="job_cancelled"))


async def change(store: Store, job_id: str, step: Step) -> Job | None:
    """Apply `step` to the job's latest record, again if another process changed it meanwhile.

    Return the job as stored, changed or not, or None if there is no such job.
    """
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


def taken_over(job: Job, holder: str, now: float) -> Job:
    return msgspec.structs.replace(job, holder=holder, due=now + LEASE)


def claimed(job: Job, now: float) -> Job:
    """Reserve the job for one process to call its webhooks."""
    return msgspec.structs.replace(job, due=now + CALL)


def postponed(job: Job, until: float) -> Job:
    """Postpone the job's webhooks."""
    return msgspec.structs.replace(job, due=until)


def freed(job: Job, holder: str, now: float) -> Job | None:
    """Release the job, so that any process can take it over at once."""
    return _if_held(job, holder, holder=NOBODY, due=now)


def renewed(job: Job, holder: str, now: float, task_id: str | None, progress: DonePieces | None = None) -> Job | None:
    if task_id is None:
        return _if_held(job, holder, due=now + LEASE, progress=progress)
    return _if_held(job, holder, due=now + LEASE, task_id=task_id, state="running", progress=progress)


def started(job: Job, holder: str, now: float) -> Job | None:
    """Mark a job without a task as running."""
    return _if_held(job, holder, due=now + LEASE, state="running")


def settled(job: Job) -> Job | None:
    """Remove the charge. Only the process that stores this change settles the charge."""
    return None if job.charge is None else msgspec.structs.replace(job, charge=None)


def awaited(job: Job, until: float) -> Job | None:
    return msgspec.structs.replace(job, awaited=until) if job.under_way and until > job.awaited else None


def requested(job: Job, view: Ask, webhook_url: str | None, now: float) -> Job | None:
    """Add a background request, and a webhook if it has one. Raises Conflict beyond MOST_VIEWS."""
    views = job.views if view in job.views else (*job.views, view)
    index, hooks = views.index(view), job.hooks
    pending = {(hook.url, hook.view) for hook in hooks if not hook.tries}
    if webhook_url and (webhook_url, index) not in pending:
        hooks = (*hooks, Hook(webhook_url, index, at=now))
    left = tuple(other for other in job.left if other != index)
    if (views, hooks, left) == (job.views, job.hooks, job.left):
        return None
    if max(len(views), len(hooks)) > MOST_VIEWS:
        raise Conflict("Too many background requests share this audio's job: cancel it, or wait until it ends.")
    due = job.due if job.under_way else _next(hooks, job.until)
    return msgspec.structs.replace(job, views=views, hooks=hooks, left=left, due=due)


def withdrawn(job: Job, view: int) -> Job | None:
    """Remove the background request `view`; its webhooks are not called."""
    if view in job.left:
        return None
    hooks = tuple(hook for hook in job.hooks if hook.view != view)
    due = job.due if job.under_way else _next(hooks, job.until)
    return msgspec.structs.replace(job, left=(*job.left, view), hooks=hooks, due=due)


def ended(job: Job, outcome: Transcript | Failure, now: float) -> Job | None:
    if isinstance(outcome, Transcript):
        return _ended(job, now, state="completed", transcript=outcome)
    return _ended(job, now, state="cancelled" if outcome == CANCELLED else "failed", failure=outcome)


def delivered(job: Job, now: float, retention: float) -> Job | None:
    """Start the retention time. The result stays longer if callers in other processes may still wait for it."""
    until = max(now + retention, min(job.awaited, now + LEASE))
    if job.state != "completed" or until >= job.until:
        return None
    if until > now:
        return msgspec.structs.replace(job, until=until, due=_next(job.hooks, until))
    if job.hooks:
        return msgspec.structs.replace(job, until=until, transcript=None)  # the webhooks are still to be called
    return expired(job, now)


def expired(job: Job, now: float) -> Job:
    return msgspec.structs.replace(
        job, state="expired", transcript=None, failure=None, hooks=(), due=now + REMEMBERED, until=now
    )


def called(job: Job, hook: Hook, *, arrived: bool, now: float) -> Job | None:
    """Record a webhook call: remove the hook, or schedule the next attempt."""
    if hook not in job.hooks:
        return None
    hooks = tuple(other for other in job.hooks if other != hook)
    if not arrived and hook.tries < len(PAUSES):
        again = msgspec.structs.replace(hook, tries=hook.tries + 1, at=now + PAUSES[hook.tries])
        hooks = (*hooks, again)
    return msgspec.structs.replace(job, hooks=hooks, due=_next(hooks, job.until))


def _next(hooks: tuple[Hook, ...], until: float) -> float:
    return min((hook.at for hook in hooks), default=until)


def _if_held(job: Job, holder: str, /, **changes: object) -> Job | None:
    if not job.under_way or job.holder != holder:
        return None
    return msgspec.structs.replace(job, **changes)


def _ended(job: Job, now: float, **changes: object) -> Job | None:
    if not job.under_way:
        return None
    # Stores drop an unreadable record whose `due` is a day old, and a webhook may have been registered before that.
    hooks = tuple(msgspec.structs.replace(hook, at=max(hook.at, now)) for hook in job.hooks)
    until = now + UNFETCHED
    return msgspec.structs.replace(job, until=until, hooks=hooks, due=_next(hooks, until), **changes)
