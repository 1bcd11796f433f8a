"""A job store in one SQLite file in WAL mode, which the processes of one machine can share.

Erased results do not stay on disk. `secure_delete` overwrites them in the database file, and a checkpoint truncates the
write-ahead log, which may still contain them. If another process is reading the log, the checkpoint is repeated after
the next transaction.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from compat.config.variables import SettingsError
from compat.jobs.records import Job, UnreadableRecord, decode, encode
from compat.jobs.store import DUE_AT_ONCE, UNREADABLE_KEPT, unreachable
from compat.spending import sqlite as spending

T = TypeVar("T")

BUSY = 5.0  # seconds to wait for another process's write lock
SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs
  (id TEXT PRIMARY KEY, version INTEGER NOT NULL, due REAL NOT NULL, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY, id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (due);
"""


class SqliteStore:
    def __init__(self, path: Path | None) -> None:
        """Keep jobs in memory if `path` is None. The file is created on first use, readable by this user only."""
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jobs")
        self._connection: sqlite3.Connection | None = None
        self._leftovers = False
        """Whether the write-ahead log may contain erased results."""

    def check(self) -> None:
        """Open and close the file to validate the path. Raises SettingsError."""
        if self._path is None:
            return
        try:
            if self._path.exists() and not self._path.is_file():
                raise SettingsError(f"COMPAT_STORE should be the path of a file, but {self._path} is not a file.")
            self._opened().close()
        except (sqlite3.Error, OSError) as exc:
            reason = (isinstance(exc, OSError) and exc.strerror) or exc
            raise SettingsError(f"COMPAT_STORE, {self._path}, cannot be opened: {reason}.") from exc
        finally:
            self._connection = None

    async def open(self, job: Job, *, instead_of: str = "") -> Job:
        return await self._run(lambda db: _open(db, job, instead_of))

    async def find(self, key: str) -> Job | None:
        query = "SELECT record, id FROM jobs JOIN keys USING (id) WHERE key = ?"
        row = await self._run(lambda db: db.execute(query, (key,)).fetchone())
        return decode(*row) if row else None

    async def get(self, job_id: str) -> Job | None:
        return await self._run(lambda db: _get(db, job_id))

    async def swap(self, seen: Job, job: Job) -> Job | None:
        kept = msgspec.structs.replace(job, version=seen.version + 1)
        erases = seen.transcript is not None and kept.transcript is None
        changed = await self._run(lambda db: _swap(db, seen, kept), erases=erases)
        return kept if changed else None

    async def due_jobs(self, now: float) -> list[Job]:
        return await self._run(lambda db: _due(db, now))

    async def drop(self, job: Job) -> None:
        await self._run(lambda db: _drop(db, job.id), erases=True)

    def ledger(self) -> spending.SqliteLedger:
        return spending.SqliteLedger(self._run)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, connection.close)
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[sqlite3.Connection], T], *, erases: bool = False) -> T:
        """Run `work` in its own transaction, in the one thread that owns the connection."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work, erases)

    def _transact(self, work: Callable[[sqlite3.Connection], T], erases: bool) -> T:
        try:
            db = self._opened()
            with db:
                db.execute("BEGIN IMMEDIATE")
                result = work(db)
            self._leftovers |= erases
            if self._leftovers:
                busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._leftovers = bool(busy)
        except (sqlite3.Error, OSError) as exc:
            raise unreachable(exc) from exc
        return result

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            if self._path is not None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._path.touch(mode=0o600)
                self._path.chmod(0o600)  # touch leaves the mode of an existing file
                self._leftovers = True  # a process may have been killed before its checkpoint
            connection = sqlite3.connect(self._path or ":memory:", timeout=BUSY, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA secure_delete = ON")
                connection.executescript(SCHEMA + spending.SCHEMA)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection


def _open(db: sqlite3.Connection, job: Job, instead_of: str) -> Job:
    query = "SELECT record, id FROM jobs JOIN keys USING (id) WHERE key = ? AND id != ?"
    row = db.execute(query, (job.key, instead_of)).fetchone()
    if row:
        return decode(*row)
    db.execute("INSERT INTO jobs VALUES (?, ?, ?, ?)", (job.id, job.version, job.due, encode(job)))
    db.execute("INSERT OR REPLACE INTO keys VALUES (?, ?)", (job.key, job.id))
    return job


def _swap(db: sqlite3.Connection, seen: Job, kept: Job) -> int:
    query = "UPDATE jobs SET version = ?, due = ?, record = ? WHERE id = ? AND version = ?"
    return db.execute(query, (kept.version, kept.due, encode(kept), seen.id, seen.version)).rowcount


def _get(db: sqlite3.Connection, job_id: str) -> Job | None:
    row = db.execute("SELECT record FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return decode(row[0], job_id) if row else None


def _due(db: sqlite3.Connection, now: float) -> list[Job]:
    jobs: list[Job] = []
    for record, job_id, due in db.execute("SELECT record, id, due FROM jobs WHERE due < ? ORDER BY due", (now,)):
        try:
            jobs.append(decode(record, job_id))
        except UnreadableRecord:
            if due < now - UNREADABLE_KEPT:
                _drop(db, job_id)
        if len(jobs) == DUE_AT_ONCE:
            break
    return jobs


def _drop(db: sqlite3.Connection, job_id: str) -> None:
    db.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
    db.execute("DELETE FROM keys WHERE id = ?", (job_id,))
