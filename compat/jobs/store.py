"""The protocol of job stores, and what its implementations share.

    sqlite      a file, shared by the processes of one machine (the default)
    redis       shared by several machines

A store guarantees that a key has one job and that no update overwrites another one. It makes no decisions: the caller
decides who takes a job over and when a result is erased. Every method raises ServiceUnavailable with `retry_after` if
the store cannot be reached; the change may or may not have been made then. An unreadable record still counts as a job:
`open`, `find` and `get` raise UnreadableRecord, and `due_jobs` skips it.
"""

from __future__ import annotations

from typing import Protocol

from compat.errors import ServiceUnavailable
from compat.jobs.records import Job
from compat.spending.ledger import Ledger

RETRY_AFTER = 5.0  # seconds
DUE_AT_ONCE = 100  # jobs
UNREADABLE_KEPT = 86400.0  # seconds past `due` after which a job that no server here can read is dropped


class Store(Protocol):
    async def open(self, job: Job, *, instead_of: str = "") -> Job:
        """Store `job` unless its key already has a job, and return the key's job.

        A job with the id `instead_of` is replaced: it loses the key but can still be found by its id.
        """

    async def find(self, key: str) -> Job | None:
        """Return the job with this key, or None."""

    async def get(self, job_id: str) -> Job | None:
        """Return the job with this id, or None."""

    async def swap(self, seen: Job, job: Job) -> Job | None:
        """Replace `seen` with `job` and return the stored record, or None if `seen` is not the latest version."""

    async def due_jobs(self, now: float) -> list[Job]:
        """Return up to DUE_AT_ONCE jobs that were due before `now`, earliest first."""

    async def drop(self, job: Job) -> None:
        """Delete the job, whatever its version."""

    def ledger(self) -> Ledger:
        """Return the ledger of what clients have spent, which is kept in the same place."""

    async def close(self) -> None: ...


def unreachable(exc: Exception) -> ServiceUnavailable:
    reason = getattr(exc, "sqlite_errorname", type(exc).__name__)  # such as SQLITE_FULL
    return ServiceUnavailable(
        f"The store for long jobs cannot be reached ({reason}). Short audio is transcribed without it, "
        "except for keys with a bound of audio a day.",
        code="job_store_unreachable",
        retry_after=RETRY_AFTER,
    )
