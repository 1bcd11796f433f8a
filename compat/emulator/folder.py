"""The emulator's files: one private folder of bounded size, removed when its process ends.

A running process holds a lock on its folder, which the kernel releases when the process ends. An unlocked folder is
left over from a killed process and is removed at the next start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

PREFIX = "dashscope-emulator-"
NAME = re.compile(PREFIX + "[0-9a-f]{32}")
FRESH = 1.0  # seconds for which the measured size of the folder is used


class Full(Exception):
    """The folder is full."""


class Folder:
    """An empty folder at `path` of at most `most` bytes."""

    def __init__(self, path: Path, most: int) -> None:
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700, parents=True)
        self.path = path
        self._most = most
        self._size = 0
        self._written = 0  # since it was measured
        self._measured = time.monotonic()

    def new(self) -> Path:
        """Return a path for a new file."""
        return self.path / uuid.uuid4().hex

    def take(self, size: int) -> None:
        """Call before writing this many bytes. Raises Full."""
        self._written += size
        stale = time.monotonic() - self._measured >= FRESH
        if stale or self._size + self._written > self._most:
            self._size, self._written, self._measured = _size(self.path), size, time.monotonic()
        if self._size + self._written > self._most:
            self._written -= size
            raise Full

    def close(self) -> None:
        """Remove the folder. Retry for files that threads create meanwhile."""
        for _ in range(3):
            shutil.rmtree(self.path, ignore_errors=True)


@contextlib.contextmanager
def own_folder(most: int) -> Iterator[Folder]:
    """Yield a locked folder in the system's temporary folder, after removing those of killed processes."""
    root = Path(tempfile.gettempdir())
    _sweep(root)
    path = root / f"{PREFIX}{uuid.uuid4().hex}"
    hidden = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=root))
    lock = os.open(hidden, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    hidden.rename(path)  # never visible without its lock
    folder = Folder(path / "files", most)
    try:
        yield folder
    finally:
        folder.close()
        path.rmdir()
        os.close(lock)


def _sweep(root: Path) -> None:
    for path in root.iterdir():
        if NAME.fullmatch(path.name):
            with contextlib.suppress(OSError):  # another user's, being removed, or locked
                lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
                finally:
                    os.close(lock)


def _size(path: Path) -> int:
    total = 0
    with os.scandir(path) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                total += entry.stat(follow_symlinks=False).st_size
    return total
