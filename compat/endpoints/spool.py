"""The folder for uploads on their way: each process has one of its own, locked for as long as the process lives.

The lock is how others learn that a process is dead, however it died: what can be locked is nobody's any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

PREFIX = "qwen-asr-compat-"
FITTED = ".fitted"  # a file
PIECES = ".pieces"  # a folder
NAME = re.compile(PREFIX + "[0-9a-f]{32}")


class Spool:
    """This process's folder at `path`, and a `name` for the process that no other ever had."""

    def __init__(self, root: Path | None) -> None:
        """`root` is where the folder is made: the system's place for temporary files when None."""
        self._root = root or Path(tempfile.gettempdir())
        self.name = f"{PREFIX}{uuid.uuid4().hex}"
        self.path = self._root / self.name
        unborn = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=self._root))
        self._lock = os.open(unborn, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        unborn.rename(self.path)  # nobody sees it unlocked

    def sweep(self) -> list[str]:
        """Removes the folders of dead processes and gives those processes' names."""
        others = [path for path in self._root.iterdir() if NAME.fullmatch(path.name) and path != self.path]
        return [folder.name for folder in others if _swept(folder)]

    @contextlib.contextmanager
    def place(self) -> Iterator[Path]:
        """Where one request's file may be put. It goes in the end, and so does what was made of it: the same name with
        one of the suffixes."""
        path = self.path / uuid.uuid4().hex
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
            path.with_suffix(FITTED).unlink(missing_ok=True)
            shutil.rmtree(path.with_suffix(PIECES), ignore_errors=True)

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _swept(folder: Path) -> bool:
    with contextlib.suppress(OSError):  # another user's, being removed, or locked
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
        return True
    return False
