"""Long jobs: one task for all who ask the same, lost neither with its caller nor with its process.

A request either begins a job or joins the one that its key has: here, when this process works on it; else by looking
at the store until it has ended, or until its holder is dead and this process takes over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Iterator

import msgspec

from compat.config.settings import Settings
from compat.errors import CompatError, Gone, NotFound, ServiceFailed, error, failure
from compat.jobs import transitions
from compat.jobs.records import Job, digest, identity, kept
from compat.jobs.runner import JobRunner
from compat.openai_api.jobs import Status
from compat.transcript import Ask, Transcript
from compat.transcription.recogniser import Work

log = logging.getLogger("compat.jobs")
LOST = failure(ServiceFailed("The server stopped before the service had the audio: send it again.", code="job_lost"))


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a job. `content` is the audio's hash; `fresh` asks for a new task whatever there is; `files` are
    the request's on disk, and the job's from now on."""

    work: Work
    content: str
    tenant: str
    fresh: bool
    files: contextlib.ExitStack


class JobManager:
    def __init__(self, settings: Settings, runs: JobRunner) -> None:
        self._root = settings.root
        self._key = settings.dashscope_api_key or ""
        self._retention = settings.job_retention
        self._grace = settings.job_grace
        self._runs = runs
        self._store = runs.store
        self._dead: set[str] = set()

    async def transcript(self, order: Order) -> Transcript:
        """Begins or joins the job and waits for its end. Cancelling this leaves the job going on for a while."""
        opening = self._runs.spawn(self._opened(order))
        try:
            return await self._awaited(await asyncio.shield(opening), order)
        finally:
            opening.add_done_callback(lambda _: order.files.close())

    async def place(self, order: Order) -> tuple[Job, int]:
        """Begins or joins the job without waiting; gives it and the number of the caller's view of it."""
        ask = order.work.ask
        view = msgspec.structs.replace(
            ask, context="", extensions={}, webhook_url=None, url=None, ignored=order.work.ignored
        )
        opening = self._runs.spawn(self._opened(order, view, ask.webhook_url))
        try:
            job = await asyncio.shield(opening)
        finally:
            opening.add_done_callback(lambda _: order.files.close())
        return job, job.views.index(view)

    async def find(self, job_id: str, tenant: str) -> Job:
        """Raises NotFound for a job that is not there or another's, Gone for one that was erased."""
        job = await self._store.get(job_id)
        if job is None or job.owner != tenant:
            raise NotFound("There is no such job (ids of other callers' jobs get the same answer).")
        if job.state == "expired" or (not job.under_way and job.until <= time.time()):
            raise Gone("The job's answer has been erased: send the audio again.")
        return job

    async def delivered(self, job_id: str) -> None:
        """The answer has reached a caller: the time begins to run after which it is erased."""
        with contextlib.suppress(CompatError):  # then it is kept for longer
            await transitions.change(
                self._store, job_id, lambda job: transitions.delivered(job, time.time(), self._retention)
            )

    async def cancel(self, job: Job, view: int) -> Job:
        """Cancels one request for the job. The job itself is cancelled, or erased when it has ended, unless others ask
        for it in the background or wait for it; its holder, where that is another process, looks by its next sign of
        life."""
        job = await self._changed(job, lambda job: transitions.left(job, view))
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
        """Takes over a job whose holder is dead, as far as that can be done without its caller."""
        now = time.time()
        ours = job.service == self.service(self._key)
        if now > job.created + transitions.LONGEST:
            await self._store.drop(job)
        elif not ours or (job.task_id is None and now < job.awaited):
            await self._store.swap(
                job, transitions.taken(job, transitions.NOBODY, now)
            )  # for a caller who has what it takes
        elif job.task_id is not None:
            await self._take_over(job, self._key, None, contextlib.ExitStack())
        elif job.wanted:
            await transitions.change(self._store, job.id, lambda job: transitions.ended(job, LOST, now))
        else:
            await self._store.drop(job)

    async def inherit(self, dead: list[str]) -> None:
        """Takes over the jobs of processes that are known to be dead, before their leases have run out."""
        self._dead.update(dead)
        for job in await self._store.due(time.time() + transitions.LEASE + 1):
            if transitions.abandoned(job, time.time(), self._dead):
                await self.adopt(job)

    async def _opened(self, order: Order, view: Ask | None = None, webhook_url: str | None = None) -> Job:
        """The job of the order's key: begun here, unless there is one to join."""
        mine, instead = self._new(order), ""
        if view is not None:
            mine = transitions.asked_for(mine, view, webhook_url) or mine
        with self._runs.room() as stay:
            while (job := await self._store.open(mine, instead_of=instead)).id != mine.id:
                if not order.fresh and (job.under_way or (job.transcript is not None and time.time() < job.until)):
                    if view is None:
                        return job
                    return await self._changed(job, lambda job: transitions.asked_for(job, view, webhook_url))
                instead = job.id
            self._runs.begin(mine, order.work.key, order.work, order.files.pop_all(), stay.pop_all())
        return mine

    def _new(self, order: Order) -> Job:
        request, now = order.work.request, time.time()
        service = self.service(order.work.key)
        return Job(
            id=f"transcription_{uuid.uuid4().hex}",
            key=identity(order.content, order.tenant, service, request),
            owner=order.tenant,
            service=service,
            asked=kept(request),
            holder=self._runs.name,
            created=now,
            due=now + transitions.LEASE,
        )

    async def _awaited(self, job: Job, order: Order) -> Transcript:
        for pause in _pauses():
            if (run := self._runs.get(job.id)) is not None:
                order.files.close()  # the run has its own
                transcript = await run.transcript()
                await self.delivered(job.id)
                return transcript
            if not job.under_way:
                return await self._told(job)
            if transitions.abandoned(job, time.time(), self._dead):
                await self._take_over(job, order.work.key, order.work, order.files)
            else:
                await self._look_on(job, order)
                await asyncio.sleep(pause)
            job = await self._store.get(job.id) or await self._opened(order)
        raise AssertionError("_pauses() never ends")

    async def _look_on(self, job: Job, order: Order) -> None:
        """Lets the holder know that somebody waits here too."""
        if job.task_id is not None:
            order.files.close()
        until = time.time() + transitions.LEASE + self._grace
        if job.awaited < until - transitions.LEASE / 2:
            await transitions.change(self._store, job.id, lambda job: transitions.awaited(job, until))

    async def _take_over(self, job: Job, key: str, work: Work | None, files: contextlib.ExitStack) -> None:
        mine = await self._store.swap(job, transitions.taken(job, self._runs.name, time.time()))
        if mine is not None:
            log.info("a job was taken over", extra={"fields": {"job": job.id, "task_id": job.task_id}})
            self._runs.begin(mine, key, work, files.pop_all())

    async def _told(self, job: Job) -> Transcript:
        if job.failure is not None:
            raise error(job.failure)
        if job.transcript is None:
            raise Gone("The job's answer has been erased: send the audio again.")
        await self.delivered(job.id)
        return job.transcript

    async def _changed(self, job: Job, step: transitions.Step) -> Job:
        changed = await transitions.change(self._store, job.id, step)
        if changed is None:
            raise NotFound("The job is not there any more.")
        return changed

    def service(self, key: str) -> str:
        """The account that a task belongs to: only with the same key it can be followed."""
        return digest(self._root, key)


def status(job: Job) -> Status:
    """As callers are told."""
    return "in_progress" if job.state == "running" else job.state


def _pauses() -> Iterator[float]:
    """Seconds between two looks at a job that another process works on."""
    yield from (0.05, 0.1, 0.2, 0.5)
    while True:
        yield 1.0
