"""Counts in shared memory: for each name, one number of each worker, and since when each worker waits for more.

A hash table of fixed size. A name has its place in one bucket; a place is free while all of its numbers are zero. All
methods need the lock of the memory.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from typing import Final

SLOTS: Final = 32_768
BUCKET: Final = 64  # places
DIGEST: Final = 16  # bytes
FREE: Final = bytes(DIGEST)
KNOWN: Final = 20_000  # names whose digests are kept
FRESH: Final = 0.1  # seconds after which a worker that has not looked again no longer waits


class Counts:
    def __init__(self, memory: mmap.mmap, start: int, workers: int, worker: int, secret: bytes) -> None:
        """`secret` keeps clients from choosing names that share a bucket."""
        self._memory = memory
        self._digests = start
        self._rows = start + SLOTS * DIGEST
        self._numbers = struct.Struct(f"={workers}q")
        self._times = struct.Struct(f"={2 * workers}d")
        self._row = self._numbers.size + self._times.size
        self._workers = workers
        self._worker = worker
        self._secret = secret
        self._known: dict[str, bytes] = {}

    @staticmethod
    def size(workers: int) -> int:
        return SLOTS * (DIGEST + 24 * workers)

    def total(self, name: str) -> int:
        """Return the sum of all workers' numbers."""
        row = self._find(name)
        return 0 if row is None else sum(self._numbers.unpack_from(self._memory, row))

    def add(self, name: str, amount: int) -> bool:
        """Add to this worker's number, and return whether there was a place for it."""
        row = self._find(name) or self._made(name)
        if row is None:
            return False
        at = row + 8 * self._worker
        number = int.from_bytes(self._memory[at : at + 8], "little", signed=True) + amount
        self._memory[at : at + 8] = number.to_bytes(8, "little", signed=True)
        if not number:
            self._free(row)
        return True

    def wait(self, name: str, since: float, now: float) -> None:
        """Publish that this worker waits for more of `name` since `since`; 0 ends the wait."""
        row = self._find(name) or (self._made(name) if since else None)
        if row is None:
            return
        at = row + self._numbers.size + 16 * self._worker
        self._memory[at : at + 16] = struct.pack("=2d", since, now)
        if not since:
            self._free(row)

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
        digests = self._memory[self._digests : self._rows]
        for slot in range(SLOTS):
            if digests[slot * DIGEST : (slot + 1) * DIGEST] != FREE:
                row = self._rows + slot * self._row
                self._memory[row + 8 * worker : row + 8 * worker + 8] = bytes(8)
                at = row + self._numbers.size + 16 * worker
                self._memory[at : at + 16] = bytes(16)
                self._free(row)

    def _find(self, name: str) -> int | None:
        """Return the offset of the row, or None."""
        digest = self._known.get(name) or self._digest(name)
        first, bucket = self._bucket(digest)
        place = bucket.find(digest)
        return None if place < 0 else self._rows + (first + place // DIGEST) * self._row

    def _made(self, name: str) -> int | None:
        """Return the offset of a new row, or None if the bucket is full."""
        digest = self._digest(name)
        first, bucket = self._bucket(digest)
        place = bucket.find(FREE)
        while place % DIGEST and place >= 0:  # the end of one digest and the beginning of the next
            place = bucket.find(FREE, place + 1)
        if place < 0:
            return None
        at = self._digests + first * DIGEST + place
        self._memory[at : at + DIGEST] = digest
        return self._rows + (first + place // DIGEST) * self._row

    def _free(self, row: int) -> None:
        """Free the place of a row if its numbers are zero and no worker waits."""
        if not any(self._memory[row : row + self._numbers.size]) and not any(
            self._times.unpack_from(self._memory, row + self._numbers.size)[::2]
        ):
            at = self._digests + (row - self._rows) // self._row * DIGEST
            self._memory[at : at + DIGEST] = FREE

    def _bucket(self, digest: bytes) -> tuple[int, bytes]:
        """Return the first place of the digest's bucket, and the bucket's digests."""
        first = int.from_bytes(digest[:4], "little") % (SLOTS // BUCKET) * BUCKET
        at = self._digests + first * DIGEST
        return first, self._memory[at : at + BUCKET * DIGEST]

    def _digest(self, name: str) -> bytes:
        if len(self._known) >= KNOWN:
            self._known.clear()
        digest = hashlib.blake2b(name.encode(), digest_size=DIGEST, key=self._secret).digest()
        self._known[name] = digest
        return digest
