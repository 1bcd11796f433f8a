"""The jobs that this process works on: each in a task of its own, with signs of life to the store meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import stamina

from compat.errors import CompatError, Conflict, Failure, ServiceTimedOut, ServiceUnavailable, error, failure
from compat.jobs import transitions
from compat.jobs.records import Job, restored
from compat.jobs.store import Store
from compat.transcript import Transcript
from compat.transcription.recogniser import Recogniser, Work
from compat.upstream.fallback import Fallback
from compat.upstream.http import Service
from compat.upstream.shares import ON_BEHALF, Shares, overloaded

T = TypeVar("T")

log = logging.getLogger("compat.jobs")
BEAT = 5.0  # seconds between two signs of life
STOPPING = failure(ServiceUnavailable("This server is stopping; the job goes on. Send the same again.", retry_after=1))


class Run:
    """One job under way here, which owns its task. `key` is DashScope's; `files` go as soon as they are not needed any
    more, for which the task's submission is enough unless they are to be kept."""

    def __init__(self, runs: JobRunner, job: Job, key: str, files: contextlib.ExitStack, *, keep: bool) -> None:
        self._runs = runs
        self._keep = keep
        self.id = job.id
        self.key = key
        self.files = files
        self.stay = contextlib.ExitStack()
        self.task_id = job.task_id
        self.waiting = 0
        self.deserted = time.monotonic()
        self.cancelled = False
        self.over = False
        self.told: asyncio.Future[Transcript | Failure] = asyncio.get_running_loop().create_future()

    async def transcript(self) -> Transcript:
        """Waits for the job's end, as one of those for whose sake it goes on."""
        self.waiting += 1
        try:
            outcome = await asyncio.shield(self.told)
        finally:
            self.waiting -= 1
            self.deserted = time.monotonic()
        if isinstance(outcome, Failure):
            raise error(outcome)
        return outcome

    def tell(self, outcome: Transcript | Failure) -> None:
        if not self.told.done():
            self.told.set_result(outcome)

    async def submitting(self) -> None:
        """Makes sure that no other process has taken the job over meanwhile, which would submit it too."""
        job = await self._runs.beat(self)
        if job is None or not job.under_way or job.holder != self._runs.name:
            raise Conflict("Another process has taken this job over.", code="job_taken_over")

    async def submitted(self, task_id: str) -> None:
        """Writes the task's id down before anything else, and lets go of the audio: the service has it."""
        self.task_id = task_id
        self._runs.noted("running")
        try:
            await self._runs.beat(self)
        except CompatError:
            log.warning("the job store cannot be reached")  # the next sign of life tries again
        if not self._keep:
            self.files.close()


class JobRunner:
    def __init__(
        self,
        store: Store,
        recogniser: Recogniser,
        service: Service | Fallback,
        *,
        name: str,
        grace: float,
        most: int = 10_000,
        noted: Callable[[str], object] = lambda _: None,
    ) -> None:
        """`name` is this process's, unique among all that ever shared the store; `grace` in seconds; `most`: jobs at a
        time that callers begin here; `noted` is called with each state that a job reaches here."""
        self.store = store
        self.name = name
        self._recogniser = recogniser
        self._service = service
        self._grace = grace
        self.noted = noted
        self._shares = Shares(most)
        self._runs: dict[str, tuple[Run, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self.stirred = asyncio.Event()
        """Set when a job has ended here."""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Jobs may begin within; at the end, jobs in progress are left to the next process."""
        try:
            yield
        finally:
            left = list(self._tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that outlives its caller, but not this server."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # was told to the caller, if there still is one

    @property
    def under_way(self) -> int:
        return len(self._runs)

    def get(self, job_id: str) -> Run | None:
        found = self._runs.get(job_id)
        return found[0] if found else None

    def room(self) -> contextlib.ExitStack:
        """A place for one more job of the party on whose behalf this is called; closing it gives it back. Raises
        Overloaded."""
        party = ON_BEHALF.get()
        if not self._shares.take(party):
            raise overloaded("jobs", self._shares, party)
        stay = contextlib.ExitStack()
        stay.callback(self._shares.give, party)
        return stay

    def begin(
        self,
        job: Job,
        key: str,
        work: Work | None,
        files: contextlib.ExitStack,
        stay: contextlib.ExitStack | None = None,
    ) -> Run:
        """Goes on with a job that this process holds: with its task when there is one, else with `work`. `stay` is
        closed at its end."""
        run = Run(self, job, key, files, keep=work is not None and self._recogniser.once_more(work))
        run.stay = stay or run.stay
        self.noted("begun" if job.version == 0 else "taken_over")
        self._runs[job.id] = run, self.spawn(self._perform(run, job, work))
        return run

    def cancel(self, job_id: str) -> None:
        if (found := self._runs.get(job_id)) and not found[0].over:
            found[0].cancelled = True
            found[1].cancel()

    async def _perform(self, run: Run, job: Job, work: Work | None) -> None:
        beats = self.spawn(self._beats(run))
        try:
            outcome = await self._outcome(run, job, work)
            run.over = True
            await self._end(run, outcome)
        except asyncio.CancelledError:
            run.tell(STOPPING)
            with contextlib.suppress(CompatError):
                await transitions.change(self.store, run.id, lambda job: transitions.freed(job, self.name, time.time()))
            raise
        finally:
            beats.cancel()
            run.files.close()
            run.stay.close()
            del self._runs[run.id]

    async def _outcome(self, run: Run, job: Job, work: Work | None) -> Transcript | Failure:
        try:
            if job.task_id is not None:
                return await self._recogniser.resumed(restored(job.asked), job.task_id, run.key, run)
            assert work is not None  # noqa: S101 - who takes over a job without a task has the audio
            if work.request.surface == "pieces":
                await transitions.change(
                    self.store, run.id, lambda job: transitions.started(job, self.name, time.time())
                )
            return await self._recogniser.transcript(work, run)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not run.cancelled or task is None:
                raise
            task.uncancel()
            await self._stopped(run)
            return transitions.CANCELLED
        except CompatError as exc:
            if isinstance(exc, ServiceTimedOut):
                await self._stopped(run)
            return failure(exc)
        except Exception:
            log.exception("a job failed")
            return failure(CompatError("This server failed; its log says why."))

    async def _stopped(self, run: Run) -> None:
        if run.task_id is not None:
            await self._service.cancel(run.task_id, run.key)

    async def _end(self, run: Run, outcome: Transcript | Failure) -> None:
        """Writes down how it ended. Those who wait do not wait for a store that is down."""
        async for attempt in stamina.retry_context(on=ServiceUnavailable, attempts=8, timeout=None, wait_max=20.0):
            with attempt:
                try:
                    job = await transitions.change(
                        self.store, run.id, lambda job: transitions.ended(job, outcome, time.time())
                    )
                    self.noted(job.state if job is not None else "lost")
                    run.tell((job and (job.transcript or job.failure)) or outcome)  # another may have ended it before
                finally:
                    run.tell(outcome)
        self.stirred.set()

    async def _beats(self, run: Run) -> None:
        """Ends with the run, even where the store's client loses the cancellation on its way."""
        while self.get(run.id) is run:
            await asyncio.sleep(min(BEAT, max(self._grace / 4, 0.05)))
            try:
                job = await self.beat(run)
            except CompatError:
                log.warning("the job store cannot be reached")
                continue
            if job is None or not job.under_way or self._deserted(run, job):
                self.cancel(run.id)

    async def beat(self, run: Run) -> Job | None:
        return await transitions.change(
            self.store, run.id, lambda job: transitions.renewed(job, self.name, time.time(), run.task_id)
        )

    def _deserted(self, run: Run, job: Job) -> bool:
        """Nobody asks or waits for it any more: at once where requests were cancelled, else after the grace."""
        if job.wanted or run.waiting or time.time() < job.awaited:
            return False
        return bool(job.left) or time.monotonic() >= run.deserted + self._grace
