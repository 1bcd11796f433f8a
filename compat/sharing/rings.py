"""The times of recent calls in shared memory: a ring for each name, for sliding windows.

A ring has MOST times. If a window allows more calls, each time stands for several of them and is that of the last one,
so the ring never allows more than the window, and gives room back a little later. All methods need the lock of the
memory.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from typing import Final

RINGS: Final = 2048
BUCKET: Final = 32  # rings
MOST: Final = 256  # times
DIGEST: Final = 16  # bytes
HEAD: Final = struct.Struct("=4d")  # first time, times, calls of the last time, seconds of the window
SIZE: Final = HEAD.size + 8 * MOST


class Rings:
    def __init__(self, memory: mmap.mmap, start: int, secret: bytes) -> None:
        self._memory = memory
        self._digests = start
        self._rings = start + RINGS * DIGEST
        self._secret = secret

    @staticmethod
    def size() -> int:
        return RINGS * (DIGEST + SIZE)

    def spend(self, name: str, calls: int, seconds: float, now: float) -> bool | None:
        """Count a call if fewer than `calls` were counted in the last `seconds`, and return whether it was.

        Return None if there is no ring for it.
        """
        ring = self._ring(name, now)
        if ring is None:
            return None
        step = -(-calls // MOST)
        first, count, last = self._pruned(ring, seconds, now)
        if count and (count - 1) * step + last >= calls:
            return False
        if count and last < step:
            last += 1
        else:
            count, last = count + 1, 1
        self._write(ring, (first + count - 1) % MOST, now)
        HEAD.pack_into(self._memory, ring, first, count, last, seconds)
        return True

    def left(self, name: str, calls: int, seconds: float, now: float) -> tuple[int, float] | None:
        """Return the number of calls left, and the seconds until a further one is. None if there is no ring for it."""
        ring = self._ring(name, now)
        if ring is None:
            return None
        step = -(-calls // MOST)
        first, count, last = self._pruned(ring, seconds, now)
        if not count:
            return calls, 0.0
        return max(0, calls - (count - 1) * step - last), self._time(ring, first) + seconds - now

    def _pruned(self, ring: int, seconds: float, now: float) -> tuple[int, int, int]:
        """Drop the times outside the window, and return the first place, the number of times and the calls of the last
        one."""
        first, count, last, _ = map(int, HEAD.unpack_from(self._memory, ring))
        while count and self._time(ring, first) <= now - seconds:
            first, count = (first + 1) % MOST, count - 1
        HEAD.pack_into(self._memory, ring, first, count, last, seconds)
        return first, count, last

    def _ring(self, name: str, now: float) -> int | None:
        """Return the offset of the name's ring, new if it had none. None if all rings of its bucket are in use."""
        digest = hashlib.blake2b(name.encode(), digest_size=DIGEST, key=self._secret).digest()
        first = int.from_bytes(digest[:4], "little") % (RINGS // BUCKET) * BUCKET
        at = self._digests + first * DIGEST
        place = self._memory[at : at + BUCKET * DIGEST].find(digest)
        if place >= 0:
            return self._rings + (first + place // DIGEST) * SIZE
        for number in range(first, first + BUCKET):
            ring = self._rings + number * SIZE
            start, count, _, seconds = HEAD.unpack_from(self._memory, ring)
            if not count or self._time(ring, int(start + count - 1) % MOST) <= now - seconds:
                self._memory[at + (number - first) * DIGEST : at + (number - first + 1) * DIGEST] = digest
                HEAD.pack_into(self._memory, ring, 0, 0, 0, 0)
                return ring
        return None

    def _time(self, ring: int, place: int) -> float:
        at = ring + HEAD.size + 8 * place
        time: float = struct.unpack_from("=d", self._memory, at)[0]
        return time

    def _write(self, ring: int, place: int, time: float) -> None:
        at = ring + HEAD.size + 8 * place
        self._memory[at : at + 8] = struct.pack("=d", time)
