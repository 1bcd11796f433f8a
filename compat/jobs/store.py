"""Where jobs are kept: one protocol, and what it is kept by.

    sqlite      a file on this machine, shared by the processes on it (the default)
    redis       shared by machines

All decisions — who may take a job over, when it is erased — are the caller's; a store only promises that a key has one
job and that nobody's change is lost. Every method raises ServiceUnavailable with `retry_after` when the store cannot be
reached; then it is not known whether a change was made. A record that cannot be read is never taken for no job: `open`
and `get` raise Unreadable, and `due` leaves it out.
"""

from __future__ import annotations

from typing import Protocol

from compat.errors import ServiceUnavailable
from compat.jobs.records import Job

RETRY_AFTER = 5.0  # seconds
DUE_AT_ONCE = 100  # jobs
UNREADABLE_KEPT = 86400.0  # seconds after its time that a job is kept which no server here looked at, or can read


class Store(Protocol):
    async def open(self, job: Job, *, instead_of: str = "") -> Job:
        """Keeps `job` unless its key has one already, other than the one whose id is `instead_of`; gives the job that
        the key has now. A job that lost its key lives on under its id."""

    async def get(self, job_id: str) -> Job | None: ...

    async def swap(self, seen: Job, job: Job) -> Job | None:
        """Puts `job` in the place of `seen` and gives it as it is kept, unless `seen` is not the latest version any
        more: then None."""

    async def due(self, now: float) -> list[Job]:
        """Up to DUE_AT_ONCE jobs that were due before `now`, the longest due first."""

    async def drop(self, job: Job) -> None:
        """Forgets the job, of whatever version."""

    async def close(self) -> None: ...


def unreachable(exc: Exception) -> ServiceUnavailable:
    return ServiceUnavailable(
        f"The store for long jobs cannot be reached ({type(exc).__name__}). Short audio is transcribed without it.",
        code="job_store_unreachable",
        retry_after=RETRY_AFTER,
    )
