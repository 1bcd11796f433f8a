"""Job maintenance: takes over the jobs of dead processes, calls webhooks and erases old results.

Every process runs a janitor. They do not conflict, because the store rejects an update to a record that has changed
since it was read. A server makes at most LANES webhook calls at a time, shared fairly between owners. A webhook that
finds no free lane is rescheduled in the store, so none waits in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections import Counter

from compat.config.principal import Party
from compat.errors import CompatError
from compat.jobs import transitions
from compat.jobs.manager import JobManager, status
from compat.jobs.records import Hook, Job
from compat.jobs.runner import HEARTBEAT, JobRunner
from compat.openai_api import jobs as wire
from compat.upstream.shares import Shares
from compat.upstream.webhooks import Undelivered, Webhooks

log = logging.getLogger("compat.jobs")
LANES = 64  # webhook calls at a time
PASSES = 100  # queries for due jobs before the next pause


class Janitor:
    def __init__(
        self, runs: JobRunner, jobs: JobManager, webhooks: Webhooks | None, lanes: Shares | None = None
    ) -> None:
        self._runs = runs
        self._store = runs.store
        self._jobs = jobs
        self._webhooks = webhooks
        self._lanes = lanes or Shares(LANES)
        self._postponed: Counter[str] = Counter()

    async def keep(self, dead: list[str]) -> None:
        """Maintain all jobs until cancelled. `dead` names processes of this machine that are known to have ended."""
        while True:
            try:
                if dead:
                    await self._jobs.inherit(dead)
                    dead = []
                await self._maintain_all()
            except CompatError as exc:
                log.warning("the job store cannot be reached", extra={"fields": {"reason": exc.message}})
            except Exception:
                log.exception("looking after the jobs failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):  # wait_for in Python 3.11 may lose the cancellation at shutdown
                    await self._runs.changed.wait()
            self._runs.changed.clear()

    async def _maintain_all(self) -> None:
        self._postponed.clear()
        for _ in range(PASSES):
            jobs = await self._store.due_jobs(time.time())
            for job in jobs:
                await self._maintain(job)
            if not jobs:
                return

    async def _maintain(self, job: Job) -> None:
        now = time.time()
        if job.under_way:
            await self._jobs.adopt(job)
        elif job.state == "expired":
            await self._store.drop(job)
        elif job.until <= now and not job.hooks:
            await self._store.swap(job, transitions.expired(job, now))
        else:
            await self._claim(job, now)

    async def _claim(self, job: Job, now: float) -> None:
        """Start a call of the job's next webhook, or postpone it. The delay grows with the owner's postponed calls."""
        owner = Party(job.owner, alone=False)
        if not self._lanes.take(owner):
            beats = 1 + self._postponed[job.owner] // self._lanes.max_share(owner)
            self._postponed[job.owner] += 1
            await self._store.swap(job, transitions.postponed(job, now + HEARTBEAT * beats))
            return
        with contextlib.ExitStack() as lane:
            lane.callback(self._lanes.give, owner)
            if claimed := await self._store.swap(job, transitions.claimed(job, now)):
                self._runs.spawn(self._call(claimed, lane.pop_all()))

    async def _call(self, job: Job, lane: contextlib.ExitStack) -> None:
        """Call the job's next webhook and record the result. If that fails, the call is repeated after the claim."""
        with lane:
            hook = min(job.hooks, key=lambda hook: hook.at)
            arrived = await self._delivered(job, hook)
            with contextlib.suppress(CompatError):
                step = functools.partial(transitions.called, hook=hook, arrived=arrived, now=time.time())
                await transitions.change(self._store, job.id, step)
        self._runs.changed.set()

    async def _delivered(self, job: Job, hook: Hook) -> bool:
        public_id, now = wire.public_id(job.id, hook.view), time.time()
        if self._webhooks is None:
            return False
        try:
            body = wire.event(public_id, status(job), now)
            await self._webhooks.send(hook.url, wire.event_id(public_id), int(now), body)
        except Undelivered as exc:
            log.warning("a webhook did not arrive", extra={"fields": {"job": public_id, "reason": str(exc)}})
            return False
        return True
