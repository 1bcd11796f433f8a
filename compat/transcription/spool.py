"""The spool: a folder for uploads in progress, one per process.

A process locks its folder until it ends. If another process can lock the folder, its owner is dead, however it died,
and the folder can be removed. Bytes are counted before they are written, for the party that sends them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from compat.config.principal import ANYONE, Party
from compat.config.variables import SettingsError
from compat.errors import TooLarge
from compat.upstream.shares import Shares, overloaded

PREFIX = "qwen-asr-compat-"
FITTED = ".fitted"  # a file
PIECES = ".pieces"  # a folder
NAME = re.compile(PREFIX + "[0-9a-f]{32}")
SPACE = 64 << 30  # bytes on disk
TEXT = 512 << 20  # bytes of text fields in memory


class Reserve(Protocol):
    """Counts bytes before they are stored, in files and as text in memory. Negative numbers give bytes back."""

    def __call__(self, file: int = 0, text: int = 0) -> None:
        """Raises Overloaded."""


class UploadPlace:
    """The place of one request's file at `path`, with the bytes counted for it and for files made from it."""

    def __init__(
        self, path: Path, party: Party = ANYONE, files: Shares | None = None, texts: Shares | None = None
    ) -> None:
        self.path = path
        self._party = party
        self._shares = (files or Shares(sys.maxsize), texts or Shares(sys.maxsize))
        self._reserved = [0, 0]
        self._cleared = False

    def expect(self, size: int) -> None:
        """Refuse a body of `size` bytes if there is no room for it. Its bytes are counted only as they arrive.

        Raises TooLarge if it can never fit, otherwise Overloaded.
        """
        files = self._shares[0]
        most = files.most(self._party)
        if size > most:
            raise TooLarge(f"The request is larger than {most} bytes, the limit of this server for one caller.")
        if size > files.room(self._party):
            raise overloaded("uploads", files, self._party)

    def reserve(self, file: int = 0, text: int = 0) -> None:
        """Count bytes, unless the place was cleared. Raises Overloaded."""
        if self._cleared:
            return
        for kind, amount in enumerate((file, text)):
            shares = self._shares[kind]
            if amount > 0 and not shares.take(self._party, amount):
                raise overloaded("uploads", shares, self._party)
            if amount < 0:
                shares.give(self._party, -amount)
            self._reserved[kind] += amount

    def clear(self) -> None:
        """Delete all files and give back the bytes counted for them."""
        self.path.unlink(missing_ok=True)
        self.path.with_suffix(FITTED).unlink(missing_ok=True)
        shutil.rmtree(self.path.with_suffix(PIECES), ignore_errors=True)
        self.reserve(-self._reserved[0], -self._reserved[1])
        self._cleared = True


def unbounded(file: int = 0, text: int = 0) -> None:
    """A Reserve that counts nothing."""


class Spool:
    """The folder of this process at `path`. `name` identifies the process and is never used twice."""

    def __init__(self, root: Path | None, space: int = SPACE) -> None:
        """Create the folder in `root`, or in the system's folder for temporary files if `root` is None. Its files may
        take `space` bytes. Raises SettingsError."""
        self.files = Shares(space)
        self.texts = Shares(TEXT)
        try:
            self._root = root or Path(tempfile.gettempdir())
            unlocked = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=self._root))
        except OSError as exc:
            where = f"COMPAT_SPOOL, {root}," if root else "The folder for temporary files"
            raise SettingsError(f"{where} cannot be written to: {exc.strerror}.") from exc
        self.name = f"{PREFIX}{uuid.uuid4().hex}"
        self.path = self._root / self.name
        self._lock = os.open(unlocked, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        unlocked.rename(self.path)  # it only gets its name once it is locked, so no other process sweeps it

    def sweep(self) -> list[str]:
        """Remove the folders of dead processes and return the names of these processes."""
        others = [path for path in self._root.iterdir() if NAME.fullmatch(path.name) and path != self.path]
        return [folder.name for folder in others if _swept(folder)]

    @contextlib.contextmanager
    def place(self, party: Party = ANYONE) -> Iterator[UploadPlace]:
        """Yield a place for one request's file. On exit the file is deleted, with the files made from it, which have
        the same name and one of the suffixes."""
        place = UploadPlace(self.path / uuid.uuid4().hex, party, self.files, self.texts)
        try:
            yield place
        finally:
            place.clear()

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _swept(folder: Path) -> bool:
    with contextlib.suppress(OSError):  # owned by another user, being removed, or locked
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
        return True
    return False
