"""The states of circuit breakers in shared memory, by name. Writing needs the lock of the memory.

A cell is written in one step, so that readers need no lock.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from typing import Final, NamedTuple

CELLS: Final = 64
DIGEST: Final = 16  # bytes
STATE: Final = struct.Struct("=q2d")  # failures, until, the number of the worker that tries, plus 1
SIZE: Final = DIGEST + STATE.size


class BreakerState(NamedTuple):
    """`failures` in a row; the time `until` which calls are refused, 0 if they are not; `trying` is the number of the
    worker whose call probes the service, plus 1, or 0."""

    failures: int
    until: float
    trying: float


class Cells:
    def __init__(self, memory: mmap.mmap, start: int, worker: int) -> None:
        self._memory = memory
        self._start = start
        self._places: dict[str, int] = {}
        self.mine = worker + 1

    @staticmethod
    def size() -> int:
        return CELLS * SIZE

    def read(self, name: str) -> BreakerState:
        """Return the state of this name. The first call for a name needs the lock."""
        return BreakerState(*STATE.unpack_from(self._memory, self._place(name) + DIGEST))

    def write(self, name: str, state: BreakerState) -> None:
        at = self._place(name) + DIGEST
        self._memory[at : at + STATE.size] = STATE.pack(*state)

    def forget(self, worker: int) -> None:
        for cell in range(CELLS):
            at = self._start + cell * SIZE + DIGEST
            failures, until, trying = STATE.unpack_from(self._memory, at)
            if trying == worker + 1:
                self._memory[at : at + STATE.size] = STATE.pack(failures, until, 0)

    def _place(self, name: str) -> int:
        """Return the offset of the name's cell. Names come from this program, so there are fewer than CELLS."""
        if name not in self._places:
            digest = hashlib.blake2b(name.encode(), digest_size=DIGEST).digest()
            for cell in range(CELLS):
                at = self._start + cell * SIZE
                found = self._memory[at : at + DIGEST]
                if found in (digest, bytes(DIGEST)):
                    self._memory[at : at + DIGEST] = digest
                    self._places[name] = at
                    break
            else:
                raise LookupError(name)
        return self._places[name]
