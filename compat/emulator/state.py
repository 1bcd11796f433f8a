"""What the emulator remembers while it runs: its engine and settings, uploads, tasks, counts, what was asked."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import tempfile
import time
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from compat.emulator.engine import Engine
from compat.emulator.faults import FaultBook, Faults, SurfaceName
from compat.emulator.readings import Readings
from compat.emulator.realtime.records import LiveRecords
from compat.emulator.realtime.settings import LiveLimits
from compat.emulator.tasks import Task

REMEMBERED = 1000


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes, times in seconds; smaller ones make the refusals cheap to test."""

    sync_bytes: int = 10 * 1024 * 1024
    audio3_bytes: int = 20_971_520
    sync_seconds: float = 300
    file_bytes: int = 2 * 1024**3
    file_seconds: float = 12 * 3600
    upload_mb: int = 1024
    body_bytes: int = 64 * 1024 * 1024
    policy_seconds: float = 300
    object_seconds: float = 48 * 3600
    result_seconds: float = 24 * 3600
    live: LiveLimits = LiveLimits()


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of one request, without its sound. `audio` is how that came: `data:<mime>`, `oss`, `http`, `other`."""

    surface: SurfaceName
    model: str = ""
    parameters: dict[str, Any] = {}
    headers: dict[str, str] = {}
    audio: str | None = None
    context: str | None = None


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """A temporary upload: readable by one account for one model."""

    path: Path
    model: str
    account: str
    expires: float


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    account: str


class Emulator:
    """The state behind one app. Read `counts`, `requests` and `tasks`; call `faults.arm`."""

    def __init__(
        self,
        engine: Engine,
        *,
        faults: Faults,
        readings: Readings,
        limits: Limits,
        keys: frozenset[str] | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self.faults = FaultBook(faults)
        self.readings = readings
        self.limits = limits
        self.keys = keys
        self.clock = clock
        self.secret = secrets.token_bytes(32)
        self.counts: Counter[str] = Counter()
        self.requests: deque[Seen] = deque(maxlen=REMEMBERED)
        self.objects: dict[str, StoredObject] = {}
        self.policies: dict[str, Policy] = {}
        self.tasks: dict[str, Task] = {}
        self.live = LiveRecords()
        self._directory: Path | None = None
        self._work: asyncio.TaskGroup | None = None
        self._jobs: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Holds the private directory and the tasks' work; both end with it."""
        with tempfile.TemporaryDirectory(prefix="dashscope-emulator-", ignore_cleanup_errors=True) as directory:
            self._directory = Path(directory)
            async with asyncio.TaskGroup() as self._work:
                yield
                for job in self._jobs:
                    job.cancel()

    def new_path(self) -> Path:
        """A file of one's own in the private directory, not yet there."""
        if self._directory is None:
            raise RuntimeError("the emulator's lifespan has not begun")
        return self._directory / uuid.uuid4().hex

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        if self._work is None:
            raise RuntimeError("the emulator's lifespan has not begun")
        job = self._work.create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return job
