"""The folder for uploads in progress: each process has one of its own, locked for as long as the process lives.

The lock shows other processes when this one is dead, however it died: a folder that can be locked has no owner.
Bytes are counted before they are written, for the party that sends them.
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

from compat.config.variables import SettingsError
from compat.errors import TooLarge
from compat.upstream.shares import Party, Shares, overloaded

PREFIX = "qwen-asr-compat-"
FITTED = ".fitted"  # a file
PIECES = ".pieces"  # a folder
NAME = re.compile(PREFIX + "[0-9a-f]{32}")
ANYONE = Party()
SPACE = 64 << 30  # bytes on disk
TEXT = 512 << 20  # bytes of text fields in memory


class Hold(Protocol):
    """Counts bytes before they are kept: of files, and of text in memory. A negative figure gives them back."""

    def __call__(self, file: int = 0, text: int = 0) -> None:
        """Raises Overloaded."""


class UploadPlace:
    """`path` for one request's file, and the bytes counted for it and for files made from it."""

    def __init__(
        self, path: Path, party: Party = ANYONE, files: Shares | None = None, texts: Shares | None = None
    ) -> None:
        self.path = path
        self._party = party
        self._shares = (files or Shares(sys.maxsize), texts or Shares(sys.maxsize))
        self._held = [0, 0]
        self._cleared = False

    def expect(self, size: int) -> None:
        """Refuse at once a body for which there is no room; its bytes are counted only as they arrive. Raises TooLarge
        if it can never fit, otherwise Overloaded."""
        files = self._shares[0]
        most = files.most(self._party)
        if size > most:
            raise TooLarge(f"The request is larger than {most} bytes, the most that this server keeps for one caller.")
        if size > files.room(self._party):
            raise overloaded("uploads", files, self._party)

    def hold(self, file: int = 0, text: int = 0) -> None:
        """Raises Overloaded. Counts nothing after the place was cleared."""
        if self._cleared:
            return
        for kind, amount in enumerate((file, text)):
            shares = self._shares[kind]
            if amount > 0 and not shares.take(self._party, amount):
                raise overloaded("uploads", shares, self._party)
            if amount < 0:
                shares.give(self._party, -amount)
            self._held[kind] += amount

    def clear(self) -> None:
        """Removes all files and gives back what was counted."""
        self.path.unlink(missing_ok=True)
        self.path.with_suffix(FITTED).unlink(missing_ok=True)
        shutil.rmtree(self.path.with_suffix(PIECES), ignore_errors=True)
        self.hold(-self._held[0], -self._held[1])
        self._cleared = True


def unbounded(file: int = 0, text: int = 0) -> None:
    """A Hold that counts nothing."""


class Spool:
    """This process's folder at `path`, and a `name` for the process that no other ever had."""

    def __init__(self, root: Path | None, space: int = SPACE) -> None:
        """`root` is where the folder is made: the system's place for temporary files when None. `space`: bytes that all
        files in it may take. Raises SettingsError."""
        self.files = Shares(space)
        self.texts = Shares(TEXT)
        try:
            self._root = root or Path(tempfile.gettempdir())
            unborn = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=self._root))
        except OSError as exc:
            where = f"COMPAT_SPOOL, {root}," if root else "The folder for temporary files"
            raise SettingsError(f"{where} cannot be written to: {exc.strerror}.") from exc
        self.name = f"{PREFIX}{uuid.uuid4().hex}"
        self.path = self._root / self.name
        self._lock = os.open(unborn, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        unborn.rename(self.path)  # nobody sees it unlocked

    def sweep(self) -> list[str]:
        """Removes the folders of dead processes and gives those processes' names."""
        others = [path for path in self._root.iterdir() if NAME.fullmatch(path.name) and path != self.path]
        return [folder.name for folder in others if _swept(folder)]

    @contextlib.contextmanager
    def place(self, party: Party = ANYONE) -> Iterator[UploadPlace]:
        """Where one request's file may be put. It goes in the end, and so does what was made of it: the same name with
        one of the suffixes."""
        place = UploadPlace(self.path / uuid.uuid4().hex, party, self.files, self.texts)
        try:
            yield place
        finally:
            place.clear()

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
