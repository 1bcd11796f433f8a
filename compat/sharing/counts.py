"""Counts in shared memory: for each name, the number of each worker, and the time since which it waits for more.

This is a hash table of fixed size, in which each name has its row in one bucket. A worker changes its own numbers
without the lock of the memory, which would cost more than all the rest. Making a row needs the lock. If a bucket is
full, the next name gets a row whose numbers are zero.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from contextlib import AbstractContextManager
from typing import Final

SLOTS: Final = 32_768
BUCKET: Final = 64  # rows
ITEM: Final = 8  # bytes of a digest, a number or a time; each is written in one step
FREE: Final = 0
UNKNOWN: Final = (1, SLOTS)  # a digest that is not in the place behind the last row, which stays FREE
KNOWN: Final = 20_000  # names whose digests and rows are remembered
FRESH: Final = 0.1  # seconds after which a worker that has not looked again no longer waits


class Counts:
    def __init__(
        self,
        memory: mmap.mmap,
        start: int,
        workers: int,
        worker: int,
        secret: bytes,
        lock: AbstractContextManager[None],
    ) -> None:
        """`secret` keeps clients from choosing names that share a bucket."""
        self._memory = memory
        self._lock = lock
        self._first = start + ITEM * (SLOTS + 1)
        """The place of the numbers, which follow the digests. The times follow the numbers."""
        self._width = ITEM * workers
        """The bytes of one row of numbers, and of half a row of times: first since when each worker waits, then when it
        last looked."""
        items = memoryview(memory)
        self._digests = items[start : self._first].cast("q")
        self._numbers = items[self._first : self._first + SLOTS * self._width].cast("q")
        self._times = items[self._first + SLOTS * self._width : start + self.size(workers)].cast("d")
        self._row = struct.Struct(f"={workers}q").unpack_from
        self._workers = workers
        self._worker = worker
        self._secret = secret
        self._known: dict[str, tuple[int, int]] = {}
        """The digest of each name, and its row when it was last seen."""

    @staticmethod
    def size(workers: int) -> int:
        return ITEM * (1 + SLOTS * (1 + 3 * workers))

    def total(self, name: str) -> int:
        """Return the sum of all workers' numbers."""
        digest, row = self._known.get(name, UNKNOWN)
        if self._digests[row] != digest:
            found = self._find(name)
            if found is None:
                return 0
            row = found
        return sum(self._row(self._memory, self._first + row * self._width))

    def add(self, amount: int, *names: str) -> bool:
        """Add to this worker's number of each name, or of none if there is no place for one of them. Return whether
        there was."""
        for done, name in enumerate(names):
            digest, row = self._known.get(name, UNKNOWN)
            if self._digests[row] != digest:
                found = self._find(name)
                if found is None:
                    found = self._made(name)
                if found is None:
                    self.add(-amount, *names[:done])
                    return False
                row, digest = found, self._digest(name)
            mine = row * self._workers + self._worker
            self._numbers[mine] += amount
            if self._digests[row] != digest:  # it was given to another name just now
                self._numbers[mine] -= amount
                self.add(-amount, *names[:done])
                return self.add(amount, *names)
        return True

    def wait(self, name: str, since: float, now: float) -> None:
        """Publish that this worker waits for more of `name` since `since`; 0 ends the wait."""
        row = self._find(name)
        if row is None and since:
            row = self._made(name)
        if row is not None:
            mine = 2 * row * self._workers + self._worker
            self._times[mine], self._times[mine + self._workers] = since, now

    def first(self, name: str, since: float, now: float) -> bool:
        """Return whether no other worker has waited for longer. Ignores one that has not looked for a moment, since it
        may be stuck."""
        row = self._find(name)
        if row is None:
            return True
        times = self._times_of(row)
        return not any(
            0 < times[other] < since and times[other + self._workers] > now - FRESH
            for other in range(self._workers)
            if other != self._worker
        )

    def forget(self, worker: int) -> None:
        """Remove the numbers of a dead worker."""
        for row in range(SLOTS):
            self._numbers[row * self._workers + worker] = 0
            self._times[2 * row * self._workers + worker] = 0.0

    def _find(self, name: str) -> int | None:
        """Return the row, or None."""
        digest, row = self._known.get(name, UNKNOWN)
        if self._digests[row] == digest:
            return row
        digest = self._digest(name)
        bucket = self._bucket(digest)
        digests = self._digests[bucket.start : bucket.stop].tolist()
        if digest not in digests:
            return None
        row = bucket[digests.index(digest)]
        self._known[name] = digest, row
        return row

    def _made(self, name: str) -> int | None:
        """Return a new row, or None if all rows of the bucket are in use."""
        with self._lock:
            if (found := self._find(name)) is not None:  # another worker has just made it
                return found
            digest = self._digest(name)
            bucket = self._bucket(digest)
            row = next((row for row in bucket if self._digests[row] == FREE), None)
            if row is None:
                row = next((row for row in bucket if self._is_zero(row)), None)
            if row is not None:
                self._digests[row] = digest
                self._known[name] = digest, row
            return row

    def _is_zero(self, row: int) -> bool:
        numbers = self._row(self._memory, self._first + row * self._width)
        return not any(numbers) and not any(self._times_of(row)[: self._workers])

    def _times_of(self, row: int) -> list[float]:
        first = 2 * row * self._workers
        return list(self._times[first : first + 2 * self._workers])

    def _bucket(self, digest: int) -> range:
        first = digest % (SLOTS // BUCKET) * BUCKET
        return range(first, first + BUCKET)

    def _digest(self, name: str) -> int:
        if known := self._known.get(name):
            return known[0]
        if len(self._known) >= KNOWN:
            self._known.clear()
        hashed = hashlib.blake2b(name.encode(), digest_size=ITEM, key=self._secret).digest()
        digest = int.from_bytes(hashed, "little", signed=True)
        self._known[name] = digest, SLOTS
        return digest
