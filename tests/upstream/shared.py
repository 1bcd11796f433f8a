"""The state that workers share, as each of them sees it."""

from __future__ import annotations

import os

from compat.sharing.memory import SharedMemory
from compat.upstream.state import SharedState


def memories(count: int = 2) -> list[SharedMemory]:
    """Return the same memory as it is seen by `count` workers."""
    first = SharedMemory.create(count)
    return [first, *(SharedMemory(os.dup(first.fd), count, worker) for worker in range(1, count))]


def workers(count: int = 2) -> list[SharedState]:
    return [SharedState(memory) for memory in memories(count)]
