"""What a worker of `serve --workers` shares with the others: memory, and the supervisor's private folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from compat.sharing.memory import SharedMemory

LIVE: Final = ("livesum", "livemostrecent")  # prometheus_client's modes of gauges that end with their worker
Locked: TypeAlias = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True)
class Team:
    memory: SharedMemory
    folder: Path

    @property
    def links(self) -> Path:
        """The folder for notes on published files."""
        return self.folder / "links"

    @property
    def metrics(self) -> Path:
        """The folder for the metrics of all workers."""
        return self.folder / "metrics"

    def make_folders(self) -> None:
        self.links.mkdir()
        self.metrics.mkdir()

    def log_lock(self) -> Locked:
        """Return a function that returns the lock for one entry of the log, which all processes of the server share.

        It is no record lock, as that of the memory is: the system would take the two for a deadlock.
        """
        fd = os.open(self.folder / "log.lock", os.O_RDWR | os.O_CREAT, 0o600)

        @contextlib.contextmanager
        def locked() -> Iterator[None]:
            fcntl.flock(fd, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(fd, fcntl.LOCK_UN)

        return locked

    def forget(self, worker: int) -> None:
        """Remove what a dead worker held, and its gauges. What it has counted stays."""
        self.memory.forget(worker)
        for mode in LIVE:  # not by a search, which needs a file descriptor
            (self.metrics / f"gauge_{mode}_{worker}.db").unlink(missing_ok=True)
