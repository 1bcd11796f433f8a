"""Runs the jobs that this process holds, each in its own asyncio task, and sends heartbeats for them to the store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import msgspec
import stamina

from compat.config.meter import AudioMeter
from compat.config.principal import Party, Principal
from compat.errors import (
    INTERNAL_ERROR,
    CompatError,
    Conflict,
    Failure,
    ServiceTimedOut,
    ServiceUnavailable,
    error,
    failure,
)
from compat.jobs import transitions
from compat.jobs.records import DonePieces, Job, restored
from compat.jobs.store import Store
from compat.spending.accounting import Accounting
from compat.spending.records import Charge
from compat.transcript import Transcript
from compat.transcription.recogniser import Recogniser
from compat.transcription.work import Work
from compat.upstream.fallback import Fallback
from compat.upstream.http import Service
from compat.upstream.shares import Shares, overloaded

T = TypeVar("T")

log = logging.getLogger("compat.jobs")
HEARTBEAT = 5.0  # seconds between two heartbeats
STOPPING = failure(
    ServiceUnavailable("This server is stopping, but the job continues. Send the same request again.", retry_after=1)
)


class Run:
    """A job under way in this process; the TaskOwner of its DashScope task.

    `files` are deleted when the task has been submitted, or at the end of the run if `keep` is true.
    """

    def __init__(
        self, runs: JobRunner, job: Job, principal: Principal, files: contextlib.ExitStack, *, keep: bool
    ) -> None:
        self._runs = runs
        self._keep = keep
        self.id = job.id
        self.meter = AudioMeter()
        self.principal = principal.metered(self.meter)
        self.files = files
        self.place = contextlib.ExitStack()
        self.task_id = job.task_id
        self.progress: DonePieces | None = None
        self.waiting = 0
        self.deserted = time.monotonic()
        self.cancelled = False
        self.over = False
        self.secured = asyncio.Event()
        """Set when the job no longer needs this process: another one can follow its task, or it has ended."""
        if job.task_id is not None:
            self.secured.set()
        self.outcome: asyncio.Future[Transcript | Failure] = asyncio.get_running_loop().create_future()

    async def transcript(self) -> Transcript:
        """Wait for the job's end and return its transcript. A job does not count as abandoned while a caller waits.

        Raises the job's error.
        """
        self.waiting += 1
        try:
            outcome = await asyncio.shield(self.outcome)
        finally:
            self.waiting -= 1
            self.deserted = time.monotonic()
        if isinstance(outcome, Failure):
            raise error(outcome)
        return outcome

    @property
    def awaited(self) -> bool:
        return self.waiting > 0

    def resolve(self, outcome: Transcript | Failure) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def advanced(self, seconds: float, pieces: int) -> None:
        """Keep the progress in memory. The next heartbeat stores it, so that it costs no access of its own."""
        self.progress = DonePieces(seconds, pieces)

    async def submitting(self) -> None:
        """Raise Conflict if another process has taken the job over, because it would submit the task as well."""
        job = await self._runs.heartbeat(self)
        if job is None or not job.under_way or job.holder != self._runs.name:
            raise Conflict("Another process has taken this job over.", code="job_taken_over")

    async def submitted(self, task_id: str) -> None:
        """Store the task's id at once, then delete the audio, which the service now has."""
        self.task_id = task_id
        self._runs.on_state("running")
        try:
            await self._runs.heartbeat(self)
        except CompatError as exc:  # the next heartbeat tries again
            log.warning("the job store cannot be reached", extra={"fields": {"reason": exc.message}})
        else:
            self.secured.set()
        if not self._keep:
            self.files.close()


class JobRunner:
    def __init__(
        self,
        store: Store,
        recogniser: Recogniser,
        service: Service | Fallback,
        accounting: Accounting,
        *,
        name: str,
        grace: float,
        room: Shares | None = None,
        on_state: Callable[[str], object] = lambda _: None,
    ) -> None:
        """`name` identifies this process and is never used twice in one store. `grace` is the time in seconds that a
        job continues after its last caller has gone. `room` bounds the jobs that callers start at a time.
        `on_state` is called with each state that a job reaches in this process."""
        self.store = store
        self.name = name
        self._recogniser = recogniser
        self._service = service
        self.accounting = accounting
        self._grace = grace
        self.on_state = on_state
        self._shares = room or Shares(sys.maxsize)
        self._runs: dict[str, tuple[Run, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._until = 0.0
        self.changed = asyncio.Event()
        """Set when a job has ended or a webhook was called in this process."""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Accept jobs within the context. On exit, release the jobs in progress for another process to take over."""
        try:
            yield
            await self._settled()
        finally:
            left = list(self._tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def leave(self, seconds: float) -> None:
        """Let jobs that no other process could continue finish before `open` ends, in at most `seconds` from now."""
        self._until = time.monotonic() + seconds

    async def _settled(self) -> None:
        """Wait until every job has ended or has a task, which another process can follow."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._until - time.monotonic()):
                for run, _ in list(self._runs.values()):
                    await run.secured.wait()

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task that outlives its caller but is cancelled when the server stops."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved: the caller that awaits the task may have gone

    @property
    def under_way(self) -> int:
        return len(self._runs)

    def get(self, job_id: str) -> Run | None:
        entry = self._runs.get(job_id)
        return entry[0] if entry else None

    def room(self, party: Party) -> contextlib.ExitStack:
        """Reserve a place for one more job of `party`; closing the result returns it. Raises Overloaded."""
        if not self._shares.take(party):
            raise overloaded("jobs", self._shares, party)
        place = contextlib.ExitStack()
        place.callback(self._shares.give, party)
        return place

    def begin(
        self,
        job: Job,
        principal: Principal,
        work: Work | None,
        files: contextlib.ExitStack,
        place: contextlib.ExitStack | None = None,
    ) -> Run:
        """Run a job that this process holds: follow its task if it has one, otherwise perform `work`. `place` is closed
        when the run ends."""
        if job.client and job.client != principal.account:
            principal = msgspec.structs.replace(principal, payer=job.client)
        run = Run(self, job, principal, files, keep=work is not None and self._recogniser.needs_audio_again(work))
        run.place = place or run.place
        self.on_state("begun" if place else "taken_over")
        work = msgspec.structs.replace(work, principal=run.principal) if work else None
        self._runs[job.id] = run, self.spawn(self._perform(run, job, work))
        return run

    def cancel(self, job_id: str) -> None:
        """Cancel the run of this job, unless it has its outcome already."""
        run, task = self._runs.get(job_id, (None, None))
        if run is not None and task is not None and not run.over:
            run.cancelled = True
            task.cancel()

    async def _perform(self, run: Run, job: Job, work: Work | None) -> None:
        heartbeats = self.spawn(self._heartbeats(run))
        try:
            outcome = await self._outcome(run, job, work)
            run.over = True
            await self._settle(run, job)
            await self._end(run, outcome)
        except asyncio.CancelledError:
            run.resolve(STOPPING)
            with contextlib.suppress(CompatError):
                await transitions.change(self.store, run.id, lambda job: transitions.freed(job, self.name, time.time()))
            raise
        finally:
            heartbeats.cancel()
            run.secured.set()
            run.files.close()
            run.place.close()
            del self._runs[run.id]

    async def _outcome(self, run: Run, job: Job, work: Work | None) -> Transcript | Failure:
        try:
            if job.task_id is not None:
                return await self._recogniser.resumed(restored(job.asked), job.task_id, run.principal, run)
            assert work is not None  # noqa: S101 - a job without a task is only taken over with its audio
            if work.request.surface == "pieces":
                await transitions.change(
                    self.store, run.id, lambda job: transitions.started(job, self.name, time.time())
                )
            return await self._recogniser.transcript(work, run, run.advanced)
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
            return failure(CompatError(INTERNAL_ERROR))

    async def _stopped(self, run: Run) -> None:
        if run.task_id is not None:
            account, task_id = self._service.account(run.task_id, run.principal)
            await account.cancel(task_id)

    async def _settle(self, run: Run, job: Job) -> None:
        """Give back what the job has not used of its charge, unless another process has taken it over."""
        if job.charge is None:
            return
        charge: Charge | None = None

        def step(job: Job) -> Job | None:
            nonlocal charge
            charge = job.charge if job.holder == self.name else None
            return transitions.settled(job) if charge else None

        with contextlib.suppress(CompatError):  # what is not settled stays charged
            await transitions.change(self.store, run.id, step)
            if charge is not None:
                await self.accounting.settle(charge, run.meter.used)

    async def _end(self, run: Run, outcome: Transcript | Failure) -> None:
        """Store the outcome, retrying while the store is down. Waiting callers get theirs after the first attempt."""
        async for attempt in stamina.retry_context(on=ServiceUnavailable, attempts=8, timeout=None, wait_max=20.0):
            with attempt:
                try:
                    job = await transitions.change(
                        self.store, run.id, lambda job: transitions.ended(job, outcome, time.time())
                    )
                    # Another process may have ended the job first: its outcome counts.
                    run.resolve((job and (job.transcript or job.failure)) or outcome)
                finally:
                    run.resolve(outcome)
        if job is None:
            self.on_state("lost")
        else:
            self.ended(job, run.principal)
        self.changed.set()

    def ended(self, job: Job, principal: Principal | None = None) -> None:
        """Count and log the end of a job. `principal` is not known to a process that acts without the job's client."""
        self.on_state(job.state)
        transcript = job.transcript
        fields: dict[str, object] = {
            "job": job.id,
            **({"caller": principal.name} if principal and principal.tenant else {}),
            "state": job.state,
            "model": job.asked.model,
            "road": job.asked.surface,
            "audio_seconds": round(job.asked.media.duration, 3),
            **({"task_id": job.task_id} if job.task_id else {}),
            **(
                {"service_request_id": transcript.request_id, "billed_seconds": transcript.usage.seconds}
                if transcript
                else {}
            ),
            **({"error": job.failure.code} if job.failure else {}),
            "seconds": round(time.time() - job.created, 1),
        }
        log.info("job", extra={"fields": fields})

    async def _heartbeats(self, run: Run) -> None:
        """Send heartbeats until the run ends. The loop checks for that itself, because the store's client may lose the
        cancellation."""
        while self.get(run.id) is run:
            await asyncio.sleep(min(HEARTBEAT, max(self._grace / 4, 0.05)))
            try:
                job = await self.heartbeat(run)
            except CompatError as exc:
                log.warning("the job store cannot be reached", extra={"fields": {"reason": exc.message}})
                continue
            if job is None or not job.under_way or self._deserted(run, job):
                self.cancel(run.id)

    async def heartbeat(self, run: Run) -> Job | None:
        return await transitions.change(
            self.store, run.id, lambda job: transitions.renewed(job, self.name, time.time(), run.task_id, run.progress)
        )

    def _deserted(self, run: Run, job: Job) -> bool:
        """Return whether the job can be cancelled because nothing needs it: at once if its requests were cancelled,
        otherwise after the grace period."""
        if job.wanted or run.waiting or time.time() < job.awaited:
            return False
        return bool(job.left) or time.monotonic() >= run.deserted + self._grace
