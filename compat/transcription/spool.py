"""Uploads in progress: small ones are kept in memory, the others in the spool, a folder that each process has.

A process locks its folder until it ends. If another process can lock the folder, its owner is dead, however it died,
and the folder can be removed. Bytes are counted before they are stored, for the party that sends them. Those in memory
are counted twice, so that an upload in memory can always be moved to the spool.
"""

from __future__ import annotations

import asyncio
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
from typing import BinaryIO, Protocol

import msgspec

from compat.config.principal import ANYONE, Party
from compat.config.variables import SettingsError
from compat.errors import NO_SPACE, DiskFull, TooLarge
from compat.transcript import Media
from compat.upstream.shares import Shares, overloaded

PREFIX = "qwen-asr-compat-"
FITTED = ".fitted"  # a file
PIECES = ".pieces"  # a folder
NAME = re.compile(PREFIX + "[0-9a-f]{32}")
SPACE = 64 << 30  # bytes of uploads and of files made from them
MEMORY = 64 << 20  # of these, bytes in memory
SMALL = 4 << 20  # bytes; larger uploads are kept on disk
NO_ROOM = "The server's disk is full."
TEXT = 512 << 20  # bytes of text fields in memory


class Reserve(Protocol):
    """Counts bytes before they are stored, of files and of text fields. Negative numbers give bytes back."""

    def __call__(self, file: int = 0, text: int = 0) -> None:
        """Count bytes. Raises Overloaded."""


class UploadPlace:
    """The place of one request's file, with the bytes counted for it and for files made from it.

    The file is in memory as `audio`. If that is None, it is at `path`.
    """

    def __init__(
        self,
        path: Path,
        party: Party = ANYONE,
        files: Shares | None = None,
        texts: Shares | None = None,
        memory: Shares | None = None,
    ) -> None:
        """Without `memory`, the file is on disk."""
        self.path = path
        self.audio: memoryview | None = None
        self._party = party
        self._shares = (files or Shares(sys.maxsize), texts or Shares(sys.maxsize))
        self._reserved = [0, 0]
        self._memory = memory or Shares(0)
        self._kept = 0
        self._cleared = False

    def expect(self, size: int) -> None:
        """Refuse a body of `size` bytes if there is no room for it. Its bytes are counted only as they arrive.

        Raises TooLarge if it can never fit, otherwise Overloaded.
        """
        files = self._shares[0]
        most = files.max_share(self._party)
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

    def keep(self, size: int) -> bool:
        """Count `size` reserved bytes as kept in memory, if there is room, and return whether there was."""
        if self._cleared or not self._memory.take(self._party, size):
            return False
        self._kept += size
        return True

    def forget(self) -> None:
        """Drop what is kept in memory, and give back its bytes."""
        self.audio = None
        self._memory.give(self._party, self._kept)
        self._kept = 0

    def clear(self) -> None:
        """Delete the upload and all files made from it, and give back the bytes counted for them."""
        self.forget()
        if self.path.exists():  # otherwise nothing was made from it either
            self.path.unlink(missing_ok=True)
            self.path.with_suffix(FITTED).unlink(missing_ok=True)
            shutil.rmtree(self.path.with_suffix(PIECES), ignore_errors=True)
        self.reserve(-self._reserved[0], -self._reserved[1])
        self._cleared = True

    def __enter__(self) -> UploadPlace:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()


def unbounded(file: int = 0, text: int = 0) -> None:
    """Count nothing, as a Reserve without bounds."""


def create(path: Path) -> BinaryIO:
    """Open a new file with mode 0600."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Raise DiskFull for the errors of a full disk."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in NO_SPACE:
            raise
        raise DiskFull(NO_ROOM, retry_after=60) from exc


async def write(path: Path, audio: memoryview) -> None:
    """Write the audio to a file at `path`. Raises DiskFull."""
    with full_disk():
        file = create(path)  # at once: cancelling does not stop the thread, which must not create it later
        await asyncio.to_thread(_fill, file, audio)


async def on_disk(media: Media) -> Media:
    """Return the media with its audio in a file, which other processes need. Raises DiskFull."""
    if not media.audio:
        return media
    await write(media.path, media.audio)
    return msgspec.structs.replace(media, audio=None)


def _fill(file: BinaryIO, audio: memoryview) -> None:
    with file:
        file.write(audio)


class Spool:
    """The folder of this process at `path`. `name` identifies the process and is never used twice."""

    def __init__(
        self,
        root: Path | None,
        *,
        files: Shares | None = None,
        texts: Shares | None = None,
        memory: Shares | None = None,
    ) -> None:
        """Create the folder in `root`, or in the system's folder for temporary files if `root` is None. `files` bounds
        the bytes of uploads and of the files made from them, `memory` those of them that are in memory, and `texts`
        those of text fields. Raises SettingsError."""
        self.files = files or Shares(SPACE)
        self.texts = texts or Shares(TEXT)
        self.memory = memory or Shares(MEMORY)
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

    def place(self, party: Party = ANYONE) -> UploadPlace:
        """Return a place for one request's file. As a context, it is cleared on exit: the file is deleted, with the
        files made from it, which have the same name and one of the suffixes."""
        return UploadPlace(self.path / os.urandom(16).hex(), party, self.files, self.texts, self.memory)

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
