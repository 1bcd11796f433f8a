"""What becomes of jobs with time: those of dead processes are taken over, webhooks called, old answers erased.

Every process looks; that a store loses no change keeps them out of each other's way.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time

from compat.endpoints.jobs import Jobs, status
from compat.endpoints.runs import BEAT, Runs
from compat.errors import CompatError
from compat.jobs import changes
from compat.jobs.records import Hook, Job
from compat.openai_api import jobs as told
from compat.upstream.webhooks import Undelivered, Webhooks

log = logging.getLogger("compat.jobs")


class Keeper:
    def __init__(self, runs: Runs, jobs: Jobs, webhooks: Webhooks | None) -> None:
        self._runs = runs
        self._store = runs.store
        self._jobs = jobs
        self._webhooks = webhooks

    async def keep(self, dead: list[str]) -> None:
        """Looks after all jobs for ever. `dead`: processes of this machine that are known to have ended."""
        while True:
            try:
                if dead:
                    await self._jobs.inherit(dead)
                    dead = []
                for job in await self._store.due(time.time()):
                    await self._look(job)
            except CompatError:
                log.warning("the job store cannot be reached")
            except Exception:
                log.exception("looking after the jobs failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT):  # wait_for of Python 3.11 may swallow the server's end
                    await self._runs.stirred.wait()
            self._runs.stirred.clear()

    async def _look(self, job: Job) -> None:
        now = time.time()
        if job.under_way:
            await self._jobs.adopt(job)
        elif job.state == "expired":
            await self._store.drop(job)
        elif job.until <= now and not job.hooks:
            await self._store.swap(job, changes.expired(job, now))
        elif claimed := await self._store.swap(job, changes.taken(job, job.holder, now)):
            self._runs.spawn(self._call(claimed))

    async def _call(self, job: Job) -> None:
        """Calls those webhooks of an ended job whose time has come. What cannot be written down is tried again when
        the claim has run out."""
        waiting = [hook for hook in job.hooks if hook.at <= time.time()]
        arrived = await asyncio.gather(*(self._arrived(job, hook) for hook in waiting))
        with contextlib.suppress(CompatError):
            for hook, there in zip(waiting, arrived, strict=True):
                step = functools.partial(changes.called, hook=hook, arrived=there, now=time.time())
                await changes.change(self._store, job.id, step)

    async def _arrived(self, job: Job, hook: Hook) -> bool:
        public_id, now = told.public_id(job.id, hook.view), time.time()
        if self._webhooks is None:
            return False
        try:
            body = told.event(public_id, status(job), now)
            await self._webhooks.send(hook.url, told.event_id(public_id), int(now), body)
        except Undelivered as exc:
            log.warning("a webhook did not arrive", extra={"fields": {"job": public_id, "reason": str(exc)}})
            return False
        return True
