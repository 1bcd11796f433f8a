"""State of a running emulator: engine, settings, uploads, tasks, counts and recorded requests."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from compat.emulator.bodies import Bodies
from compat.emulator.engine import Engine
from compat.emulator.faults import ArmedFaults, Faults, SurfaceName
from compat.emulator.folder import Folder, own_folder
from compat.emulator.live_records import LiveRecords
from compat.emulator.live_settings import LiveLimits, TaskLimits
from compat.emulator.readings import Readings
from compat.emulator.site import Site
from compat.emulator.tasks import Task

REMEMBERED = 1000
TIDIED = 60.0  # seconds between removals of expired files


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes, times in seconds; tests lower them to reach each limit cheaply."""

    sync_bytes: int = 10 * 1024 * 1024
    audio3_bytes: int = 20_971_520
    sync_seconds: float = 300
    file_bytes: int = 2 * 1024**3
    file_seconds: float = 12 * 3600
    upload_mb: int = 1024
    body_bytes: int = 64 * 1024 * 1024
    bodies_bytes: int = 1024**3
    policy_seconds: float = 300
    object_seconds: float = 48 * 3600
    result_seconds: float = 24 * 3600
    disk_bytes: int = 64 * 1024**3
    vocabulary_words: int = 2000
    vocabulary_words_older: int = 500
    """Words in a vocabulary for Paraformer or for a dated version of Fun-ASR."""
    vocabularies: int = 10
    """Vocabularies per account."""
    live: LiveLimits = LiveLimits()
    livetranslate: LiveLimits = LiveLimits()
    inference: TaskLimits = TaskLimits()


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded request, without its audio. `audio` is how it was sent: `data:<mime>`, `oss`, `http` or `other`."""

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
    expires: float


class Vocabulary(msgspec.Struct, kw_only=True):
    """A list of hot words. Times are from the emulator's clock."""

    id: str
    account: str
    target_model: str
    words: list[dict[str, Any]]
    created: float
    modified: float


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
        site: Site,
        clock: Callable[[], float],
    ) -> None:
        self.engine = engine
        self.site = site
        self.faults = ArmedFaults(faults)
        self.readings = readings
        self.limits = limits
        self.bodies = Bodies(limits.bodies_bytes)
        self.keys = keys
        self.clock = clock
        self.secret = secrets.token_bytes(32)
        self.counts: Counter[str] = Counter()
        self.requests: deque[RequestRecord] = deque(maxlen=REMEMBERED)
        self.objects: dict[str, StoredObject] = {}
        self.policies: dict[str, Policy] = {}
        self.tasks: dict[str, Task] = {}
        self.vocabularies: dict[str, Vocabulary] = {}
        self.live = LiveRecords()
        self._folder: Folder | None = None
        self._work: asyncio.TaskGroup | None = None
        self._jobs: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End requests that a fault keeps open, so that the server can shut down."""
        self._stopping.set()

    async def hold(self, waiting: Coroutine[Any, Any, object]) -> bool:
        """Await `waiting`, at most until `stop`. Return whether it completed."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        held = asyncio.ensure_future(waiting)
        try:
            await asyncio.wait((held, stopping), return_when=asyncio.FIRST_COMPLETED)
            return held.done()
        finally:
            held.cancel()
            stopping.cancel()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the private folder and run file tasks; end both at exit."""
        with self._place() as self._folder:
            async with asyncio.TaskGroup() as self._work:
                self.spawn(self._tidy())
                yield
                for job in self._jobs:
                    job.cancel()

    @contextlib.contextmanager
    def _place(self) -> Iterator[Folder]:
        if self.site.folder is None:
            with own_folder(self.limits.disk_bytes) as folder:
                yield folder
            return
        with contextlib.closing(Folder(self.site.folder, self.limits.disk_bytes)) as folder:
            yield folder

    @property
    def folder(self) -> Folder:
        if self._folder is None:
            raise RuntimeError("the emulator's lifespan has not started")
        return self._folder

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDIED)
            self.tidy()

    def tidy(self) -> None:
        """Remove expired tasks, uploads and policies, except files that a task still reads."""
        now = self.clock()
        over = [task for task in self.tasks.values() if task.ended is not None]
        for task in over:
            if now >= task.expires(self.limits.result_seconds):
                del self.tasks[task.id]
                for file in task.files:
                    if file.result is not None:
                        file.result.unlink(missing_ok=True)
        wanted = {file.url for task in self.tasks.values() if task.ended is None for file in task.files}
        self.drop(
            [key for key, stored in self.objects.items() if now >= stored.expires and f"oss://{key}" not in wanted]
        )
        policies = {key.rpartition("/")[0] for key in self.objects}
        for directory, policy in list(self.policies.items()):
            if now >= policy.expires and directory not in policies:
                del self.policies[directory]

    def drop(self, keys: Iterable[str]) -> None:
        """Remove uploads. Unknown keys are ignored."""
        for key in keys:
            stored = self.objects.pop(key, None)
            if stored is not None:
                stored.path.unlink(missing_ok=True)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        if self._work is None:
            raise RuntimeError("the emulator's lifespan has not started")
        job = self._work.create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return job
