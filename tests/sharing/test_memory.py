from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter

from compat.sharing.counts import BUCKET, SLOTS
from compat.sharing.memory import SharedMemory
from tests.upstream.shared import memories

COUNTING = """
import os, sys
from compat.sharing.memory import SharedMemory
memory = SharedMemory(int(sys.argv[1]), 2, int(sys.argv[2]))
for number in range(20_000):
    with memory.lock:
        memory.rings.spend(f"ring {number // 250}", 500, 1000.0, 1.0)
    name = f"name {number % 7}"
    memory.counts.add(1, name)
if sys.argv[2] == "1":
    memory.lock.__enter__()  # the process ends without leaving the lock
    os._exit(0)
"""


def test_processes_count_together_and_the_death_of_one_frees_the_lock() -> None:
    memory = SharedMemory.create(2)
    running = [
        subprocess.Popen([sys.executable, "-c", COUNTING, str(memory.fd), str(worker)], pass_fds=[memory.fd])
        for worker in range(2)
    ]
    assert [0, 0] == [process.wait(timeout=60) for process in running]

    with memory.lock:
        assert 40_000 == sum(memory.counts.total(f"name {number}") for number in range(7))
        assert {0} == {(memory.rings.left(f"ring {number}", 500, 1000.0, 1.0) or (1,))[0] for number in range(80)}
    memory.forget(1)
    with memory.lock:
        assert 20_000 == sum(memory.counts.total(f"name {number}") for number in range(7))


def test_counts_of_any_names_add_up_and_leave_no_places_behind() -> None:
    chance, seen, expected = random.Random(1), memories(3), Counter[str]()  # noqa: S311 - repeatable
    for _ in range(20_000):
        name, worker = f"party {chance.randrange(3000)}", chance.choice(seen)
        amount = chance.choice((1, 2, 1 << 40)) if expected[name] == 0 or chance.random() < 0.5 else 0
        assert worker.counts.add(amount, name)
        expected[name] += amount
    assert expected == {name: seen[0].counts.total(name) for name in expected}

    for number in range(3):
        seen[0].forget(number)
    assert {0} == {seen[1].counts.total(name) for name in expected}
    assert SLOTS * 9 // 10 < fill(seen[0], SLOTS) <= SLOTS


def fill(memory: SharedMemory, names: int) -> int:
    """Add to this many names, and return the number of names that got a row."""
    return sum(memory.counts.add(1, str(number)) for number in range(names))


def test_a_full_bucket_takes_no_more_names() -> None:
    assert SLOTS - 30 * BUCKET < fill(SharedMemory.create(1), 2 * SLOTS) <= SLOTS


def test_notices_and_flags_reach_all_workers() -> None:
    one, other, third = memories(3)
    one.notify(b"first and longer")
    one.notify(b"second")
    other.connected(7)
    third.connected(3)
    one.stop()

    assert (b"second", True, (0, 7, 3)) == (other.notice, other.stopping, one.connections)
    one.forget(1)
    assert (0, -1, 3) == third.connections


def test_the_memory_has_no_name() -> None:
    memory = SharedMemory.create(64)

    assert 0 == os.fstat(memory.fd).st_nlink
