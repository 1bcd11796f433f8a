"""Counts in shared memory: for each name, one number of each worker, and since when each worker waits for more.

A hash table of fixed size. A name has its row in one bucket. A worker changes its own numbers without the lock of the
memory, which would cost more than all the rest; making a row needs it. If a bucket is full, a row whose numbers are
zero is given to the next name.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from contextlib import AbstractContextManager
from typing import Final

SLOTS: Final = 32_768
BUCKET: Final = 64  # rows
DIGEST: Final = 16  # bytes
FREE: Final = bytes(DIGEST)
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
        self._digests = start
        self._rows = start + SLOTS * DIGEST
        self._numbers = struct.Struct(f"={workers}q")
        self._times = struct.Struct(f"={2 * workers}d")
        self._row = self._numbers.size + self._times.size
        self._workers = workers
        self._worker = worker
        self._secret = secret
        self._known: dict[str, tuple[bytes, int]] = {}

    @staticmethod
    def size(workers: int) -> int:
        return SLOTS * (DIGEST + 24 * workers)

    def row(self, name: str) -> int | None:
        """Return the row of a name, for `sum` and `add` at once: a row of zeros may be given to another name. None if
        there is no place for it."""
        return self._find(name) or self._made(name)

    def total(self, name: str) -> int:
        """Return the sum of all workers' numbers."""
        row = self._find(name)
        return 0 if row is None else self.sum(row)

    def sum(self, row: int) -> int:
        return sum(self._numbers.unpack_from(self._memory, row))

    def add(self, name: str, row: int, amount: int) -> None:
        """Add to this worker's number in the row of `name`."""
        self._change(row, amount)
        digest, _ = self._known.get(name) or self._digest(name)
        if self._digest_of(row) != digest:  # it was given to another name just now
            self._change(row, -amount)
            if (other := self.row(name)) is not None:
                self.add(name, other, amount)

    def wait(self, name: str, since: float, now: float) -> None:
        """Publish that this worker waits for more of `name` since `since`; 0 ends the wait."""
        row = self._find(name) or (self._made(name) if since else None)
        if row is not None:
            at = row + self._numbers.size + 16 * self._worker
            self._memory[at : at + 16] = struct.pack("=2d", since, now)

    def first(self, name: str, since: float, now: float) -> bool:
        """Return whether no other worker has waited for longer. Ignores one that has not looked for a moment, since it
        may be stuck."""
        row = self._find(name)
        if row is None:
            return True
        times = self._times.unpack_from(self._memory, row + self._numbers.size)
        return not any(
            0 < times[2 * other] < since and times[2 * other + 1] > now - FRESH
            for other in range(self._workers)
            if other != self._worker
        )

    def forget(self, worker: int) -> None:
        """Remove the numbers of a dead worker."""
        for row in range(self._rows, self._rows + SLOTS * self._row, self._row):
            if self._digest_of(row) != FREE:
                self._memory[row + 8 * worker : row + 8 * worker + 8] = bytes(8)
                at = row + self._numbers.size + 16 * worker
                self._memory[at : at + 16] = bytes(16)

    def _change(self, row: int, amount: int) -> None:
        at = row + 8 * self._worker
        number = int.from_bytes(self._memory[at : at + 8], "little", signed=True) + amount
        self._memory[at : at + 8] = number.to_bytes(8, "little", signed=True)

    def _find(self, name: str) -> int | None:
        """Return the offset of the row, or None."""
        digest, row = self._known.get(name) or self._digest(name)
        if row and self._digest_of(row) == digest:
            return row
        first, bucket = self._bucket(digest)
        place = bucket.find(digest)
        if place < 0:
            return None
        row = self._rows + (first + place // DIGEST) * self._row
        self._known[name] = digest, row
        return row

    def _made(self, name: str) -> int | None:
        """Return the offset of a new row, or None if all rows of the bucket are in use."""
        with self._lock:
            if row := self._find(name):  # which another worker has just made
                return row
            digest, _ = self._digest(name)
            first, _ = self._bucket(digest)
            rows = [self._rows + place * self._row for place in range(first, first + BUCKET)]
            row = next((row for row in rows if self._digest_of(row) == FREE), None)
            row = row or next((row for row in rows if self._is_zero(row)), None)
            if row is not None:
                at = self._digests + (row - self._rows) // self._row * DIGEST
                self._memory[at : at + DIGEST] = digest
                self._known[name] = digest, row
            return row

    def _is_zero(self, row: int) -> bool:
        times = self._times.unpack_from(self._memory, row + self._numbers.size)
        return not any(self._numbers.unpack_from(self._memory, row)) and not any(times[::2])

    def _digest_of(self, row: int) -> bytes:
        at = self._digests + (row - self._rows) // self._row * DIGEST
        return self._memory[at : at + DIGEST]

    def _bucket(self, digest: bytes) -> tuple[int, bytes]:
        """Return the first place of the digest's bucket, and the bucket's digests."""
        first = int.from_bytes(digest[:4], "little") % (SLOTS // BUCKET) * BUCKET
        at = self._digests + first * DIGEST
        return first, self._memory[at : at + BUCKET * DIGEST]

    def _digest(self, name: str) -> tuple[bytes, int]:
        """Return the name's digest, and 0: its row is not known."""
        if len(self._known) >= KNOWN:
            self._known.clear()
        digest = hashlib.blake2b(name.encode(), digest_size=DIGEST, key=self._secret).digest()
        self._known[name] = digest, 0
        return digest, 0
