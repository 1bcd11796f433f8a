"""Memory that the workers of one server share: what has to be one for all of them, without a server of its own.

The supervisor creates the file and passes its descriptor to the workers, which map it. Each worker writes numbers of
its own and reads the sums, without a lock, so the supervisor can remove all that a dead worker held (`forget`).
Everything else is changed under one lock, which the system releases when its holder dies.

The lock is a record lock (fcntl). Hold no other record lock in these processes: the system would take two of them for
a deadlock. It costs 1 to 2 µs.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import tempfile
import threading
from types import TracebackType
from typing import Final

from compat.sharing.cells import Cells
from compat.sharing.counts import Counts
from compat.sharing.rings import Rings

STOPPING: Final = 0  # a byte
SECRET: Final = 16  # 16 bytes
CONNECTIONS: Final = 64  # 8 bytes for each of up to 64 workers
NOTICE: Final = 1024  # a length of 2 bytes, then the text, up to HEADER
HEADER: Final = 2048  # bytes


class MemoryLock:
    """The lock of all processes that share the file `fd`, and of all threads of this process. It owns `fd`."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._threads = threading.Lock()

    def __enter__(self) -> None:
        self._threads.acquire()
        try:
            fcntl.lockf(self.fd, fcntl.LOCK_EX, 1)
        except BaseException:
            self._threads.release()
            raise

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        fcntl.lockf(self.fd, fcntl.LOCK_UN, 1)
        self._threads.release()

    def __del__(self) -> None:
        os.close(self.fd)


class SharedMemory:
    """The memory of `workers` workers in the file `fd`, as the worker number `worker` sees it."""

    def __init__(self, fd: int, workers: int, worker: int = 0) -> None:
        self.workers = workers
        self.worker = worker
        self.lock = MemoryLock(fd)
        self._map = mmap.mmap(fd, _size(workers))
        secret = self._map[SECRET : SECRET + 16]
        start = HEADER
        self.cells = Cells(self._map, start, worker)
        start += Cells.size()
        self.counts = Counts(self._map, start, workers, worker, secret, self.lock)
        start += Counts.size(workers)
        self.rings = Rings(self._map, start, secret)

    @classmethod
    def create(cls, workers: int) -> SharedMemory:
        """Create the file, which has no name. Raises OSError."""
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("qwen-asr-compat")
        else:
            file, path = tempfile.mkstemp(prefix="qwen-asr-compat-")
            os.unlink(path)  # noqa: PTH108 - the string that mkstemp returns
            fd = file
        os.truncate(fd, _size(workers))
        os.pwrite(fd, os.urandom(16), SECRET)
        return cls(fd, workers)

    @property
    def stopping(self) -> bool:
        """Whether the server has been told to stop, which the supervisor sets before it tells the workers."""
        return self._map[STOPPING] != 0

    def stop(self) -> None:
        self._map[STOPPING] = 1

    @property
    def connections(self) -> tuple[int, ...]:
        """The number of open connections of each worker. -1 stands for one that accepts none."""
        return struct.unpack_from(f"={self.workers}q", self._map, CONNECTIONS)

    def connected(self, count: int) -> None:
        """Publish the number of this worker's open connections."""
        _write(self._map, CONNECTIONS + 8 * self.worker, count)

    @property
    def notice(self) -> bytes:
        """The supervisor's last notice to the workers."""
        with self.lock:
            size = int.from_bytes(self._map[NOTICE : NOTICE + 2], "little")
            return self._map[NOTICE + 2 : NOTICE + 2 + size]

    def notify(self, notice: bytes) -> None:
        """Replace the notice. It has to fit before HEADER."""
        with self.lock:
            self._map[NOTICE : NOTICE + 2 + len(notice)] = len(notice).to_bytes(2, "little") + notice

    def forget(self, worker: int) -> None:
        """Remove what a dead worker held."""
        with self.lock:
            _write(self._map, CONNECTIONS + 8 * worker, -1)
            self.cells.forget(worker)
            self.counts.forget(worker)

    @property
    def fd(self) -> int:
        return self.lock.fd


def _write(memory: mmap.mmap, at: int, number: int) -> None:
    """Write in one step: `struct.pack_into` would first write zeros, which others could read."""
    memory[at : at + 8] = struct.pack("=q", number)


def _size(workers: int) -> int:
    return HEADER + Cells.size() + Counts.size(workers) + Rings.size()
