"""Long jobs: identical requests share one task, which survives its caller and its process.

A request starts a job, or joins the existing job with the same key. If this process runs the job, the request waits for
it in memory. Otherwise it polls the store until the job has ended, or until the job's holder is dead and this process
takes the job over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Iterator
from weakref import WeakValueDictionary

import msgspec

from compat.catalogue import roads
from compat.config.principal import Principal
from compat.config.settings import Settings
from compat.errors import CompatError, Gone, NotFound, ServiceFailed, error, failure
from compat.jobs import transitions
from compat.jobs.records import DonePieces, Job, digest, identity, kept
from compat.jobs.runner import JobRunner
from compat.openai_api.jobs import NO_JOB, Status
from compat.spending.records import Charge
from compat.transcript import Ask, Transcript
from compat.transcription.work import Work

log = logging.getLogger("compat.jobs")
LOST = failure(ServiceFailed("The server stopped before the audio was transcribed: send it again.", code="job_lost"))


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a job.

    `content` is the hash of the audio. `fresh` starts a new task even if a job with the same key exists. `files` closes
    the request's files on disk; the manager takes ownership of it.
    """

    work: Work
    content: str
    fresh: bool
    files: contextlib.ExitStack


class JobManager:
    def __init__(self, settings: Settings, runs: JobRunner, *, local: bool = False) -> None:
        """`local` means that the service is a local engine, which has a new key at each start."""
        self._local = local
        self._root = settings.root
        self._key = settings.dashscope_api_key or ""
        self._retention = settings.job_retention
        self._grace = settings.job_grace
        self._runs = runs
        self._store = runs.store
        self._dead: set[str] = set()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """A lock for each key of a job, so that identical requests are charged once."""

    async def transcript(self, order: Order) -> Transcript:
        """Start or join the job and return its transcript. If this call is cancelled, the job continues for `grace`.

        Raises any CompatError.
        """
        opening = self._runs.spawn(self._opened(order))
        try:
            return await self._awaited(await asyncio.shield(opening), order)
        finally:
            opening.add_done_callback(lambda _: order.files.close())

    async def place(self, order: Order) -> tuple[Job, int]:
        """Start or join the job without waiting for its end. Return it with the index of the request's view."""
        ask = order.work.ask
        view = msgspec.structs.replace(
            ask, prompt="", keywords=(), extensions={}, webhook_url=None, url=None, ignored=order.work.ignored
        )
        opening = self._runs.spawn(self._opened(order, view, ask.webhook_url))
        try:
            job = await asyncio.shield(opening)
        finally:
            opening.add_done_callback(lambda _: order.files.close())
        return job, job.views.index(view)

    async def find(self, job_id: str, principal: Principal) -> Job:
        """Return the job. Take it over if its process is dead, because only the owner may have the key of its task.

        Raises NotFound if it does not exist or has another owner, Gone if its result was erased.
        """
        job = await self._store.get(job_id)
        if job is None or job.owner != principal.tenant:
            raise NotFound(f"{NO_JOB} (ids of other callers' jobs get the same answer).")
        if job.state == "expired" or (not job.under_way and job.until <= time.time()):
            raise Gone("The job's result has been erased: send the audio again.")
        resumable = job.task_id is not None and job.service == self.service(principal.key)
        if resumable and transitions.abandoned(job, time.time(), self._dead):
            await self._take_over(job, principal, None, contextlib.ExitStack())
        return job

    def progress(self, job: Job) -> DonePieces | None:
        """Return the progress of a job: the current one if this process runs it, otherwise that of its last heartbeat.
        None if the road of the job does not report any."""
        run = self._runs.get(job.id)
        return job.progress if run is None else run.progress

    async def delivered(self, job_id: str) -> None:
        """Record that a caller has received the result, which starts its retention time."""
        with contextlib.suppress(CompatError):  # without the record the result is only kept for longer
            await transitions.change(
                self._store, job_id, lambda job: transitions.delivered(job, time.time(), self._retention)
            )

    async def cancel(self, job: Job, view: int) -> Job:
        """Cancel one background request (`view`) for the job and return the job.

        The job itself is cancelled (or erased, if it has ended) unless other background requests or waiting callers
        need it. If another process holds the job, that process cancels it at its next heartbeat.
        """
        job = await self._changed(job, lambda job: transitions.withdrawn(job, view))
        now = time.time()
        if job.wanted:
            return job
        if not job.under_way:
            return await self._changed(job, lambda job: None if job.under_way else transitions.expired(job, now))
        run = self._runs.get(job.id)
        if run is None or run.waiting or now < job.awaited:
            return job
        job = await self._changed(job, lambda job: transitions.ended(job, transitions.CANCELLED, now))
        self._runs.cancel(job.id)
        return job

    async def adopt(self, job: Job) -> None:
        """Take over a job whose process is dead, as far as possible without its client.

        A submitted task is followed to its end, or released if this process does not have its key. Without a task, the
        audio was lost with the process: the job is released if a client still waits for it. Otherwise, or if no process
        took the job over within LONGEST, it fails if it was requested in the background, and is dropped if not.
        """
        now = time.time()
        same_account = job.service == self.service(self._key)
        lost = now > job.created + transitions.LONGEST
        if not lost and (not same_account or (job.task_id is None and now < job.awaited)):
            # Released for a caller that has the key, or the audio.
            await self._store.swap(job, transitions.taken_over(job, transitions.NOBODY, now))
        elif not lost and job.task_id is not None:
            await self._take_over(job, Principal(self._key), None, contextlib.ExitStack())
        elif job.wanted and (failed := transitions.ended(job, LOST, now)):
            if stored := await self._store.swap(job, transitions.settled(failed) or failed):
                self._runs.ended(stored)
                await self._give_back(job)
        elif uncharged := transitions.settled(job):
            if stored := await self._store.swap(job, uncharged):
                await self._give_back(job)
                await self._store.drop(stored)
        else:
            await self._store.drop(job)

    async def _give_back(self, job: Job) -> None:
        if job.charge is not None:
            await self._runs.accounting.settle(job.charge, 0.0)

    async def inherit(self, dead: list[str]) -> None:
        """Take over the jobs of processes that are known to be dead, without waiting for their leases to expire."""
        self._dead.update(dead)
        for job in await self._store.due_jobs(time.time() + transitions.LEASE + 1):
            if transitions.abandoned(job, time.time(), self._dead):
                await self.adopt(job)

    async def _opened(self, order: Order, view: Ask | None = None, webhook_url: str | None = None) -> Job:
        """Return the job with the order's key. Start it here unless there is one to join."""
        mine, instead, principal = self._new(order), "", order.work.principal
        if view is not None:
            mine = transitions.requested(mine, view, webhook_url, time.time()) or mine
        turn = self._turns.setdefault(mine.key, asyncio.Lock()) if principal.bounded else contextlib.nullcontext()
        charge: Charge | None = None
        with self._runs.room(principal.party) as place:
            try:
                async with turn:
                    if principal.bounded:
                        # A job to join needs no charge, and a new one begins with its own.
                        if (job := await self._store.find(mine.key)) is not None and _joinable(job, order):
                            return await self._joined(job, view, webhook_url)
                        charge = await self._runs.accounting.reserve(
                            principal, roads.counted_seconds(order.work.request)
                        )
                        mine = msgspec.structs.replace(mine, charge=charge)
                    while (job := await self._store.open(mine, instead_of=instead)).id != mine.id:
                        if _joinable(job, order):
                            return await self._joined(job, view, webhook_url)
                        instead = job.id
                    self._runs.begin(mine, principal, order.work, order.files.pop_all(), place.pop_all())
                    charge = None  # the run settles it
            finally:
                if charge is not None:
                    await self._runs.accounting.settle(charge, 0.0)
        return mine

    async def _joined(self, job: Job, view: Ask | None, webhook_url: str | None) -> Job:
        if view is None:
            return job
        return await self._changed(job, lambda job: transitions.requested(job, view, webhook_url, time.time()))

    def _new(self, order: Order) -> Job:
        request, principal, now = order.work.request, order.work.principal, time.time()
        service = self.service(principal.key)
        return Job(
            id=f"transcription_{uuid.uuid4().hex}",
            key=identity(order.content, principal.tenant, service, request),
            owner=principal.tenant,
            service=service,
            asked=kept(request),
            holder=self._runs.name,
            created=now,
            due=now + transitions.LEASE,
            client=principal.account,
        )

    async def _awaited(self, job: Job, order: Order) -> Transcript:
        for pause in _pauses():
            if (run := self._runs.get(job.id)) is not None:
                order.files.close()  # the run has its own files
                transcript = await run.transcript()
                await self.delivered(job.id)
                return transcript
            if not job.under_way:
                return await self._result(job)
            if transitions.abandoned(job, time.time(), self._dead):
                await self._take_over(job, order.work.principal, order.work, order.files)
            else:
                await self._register_wait(job, order)
                await asyncio.sleep(pause)
            job = await self._store.get(job.id) or await self._opened(order)
        raise AssertionError("_pauses() never ends")

    async def _register_wait(self, job: Job, order: Order) -> None:
        """Record in the store that a caller waits in this process, so that the holder does not abandon the job."""
        if job.task_id is not None:
            order.files.close()
        until = time.time() + transitions.LEASE + self._grace
        if job.awaited < until - transitions.LEASE / 2:
            await transitions.change(self._store, job.id, lambda job: transitions.awaited(job, until))

    async def _take_over(self, job: Job, principal: Principal, work: Work | None, files: contextlib.ExitStack) -> None:
        mine = await self._store.swap(job, transitions.taken_over(job, self._runs.name, time.time()))
        if mine is not None:
            log.info("a job was taken over", extra={"fields": {"job": job.id, "task_id": job.task_id}})
            self._runs.begin(mine, principal, work, files.pop_all())

    async def _result(self, job: Job) -> Transcript:
        if job.failure is not None:
            raise error(job.failure)
        if job.transcript is None:
            raise Gone("The job's result has been erased: send the audio again.")
        await self.delivered(job.id)
        return job.transcript

    async def _changed(self, job: Job, step: transitions.Step) -> Job:
        changed = await transitions.change(self._store, job.id, step)
        if changed is None:
            raise NotFound("The job no longer exists.")
        return changed

    def service(self, key: str) -> str:
        """Return a hash of the account that owns a task. A task can only be followed with the key that submitted it.

        All local engines have the same hash, so the tasks of an earlier engine are taken over, and fail as lost.
        """
        return digest(self._root, "" if self._local else key)


def _joinable(job: Job, order: Order) -> bool:
    """Return whether a request can join this job with the same key."""
    return not order.fresh and (job.under_way or (job.transcript is not None and time.time() < job.until))


def status(job: Job) -> Status:
    """Return the status in the public API."""
    return "in_progress" if job.state == "running" else job.state


def _pauses() -> Iterator[float]:
    """Yield the seconds between two polls of a job that another process runs."""
    yield from (0.05, 0.1, 0.2, 0.5)
    while True:
        yield 1.0
