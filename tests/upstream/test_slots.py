from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from compat.audio.worker import Worker, WorkerQueue
from compat.config.principal import ANYONE, Party
from compat.upstream.shares import Shares
from compat.upstream.slots import Slots, turns
from compat.upstream.state import SharedState
from tests.audio import hostile
from tests.upstream.shared import memories, workers


class Visitors:
    """Callers that ask for slots in order, hold them until `go`, and are recorded when they get one."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.inside: list[str] = []
        self._leave: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, concurrency: int | None = None) -> None:
        self._leave[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._visit(name, concurrency))
        await self._settled()

    async def _visit(self, name: str, concurrency: int | None) -> None:
        async with self.slots.taken(Party(name[0], concurrency, alone=name[0].islower())):
            self.inside.append(name)
            await self._leave[name].wait()

    async def go(self, name: str) -> None:
        self._leave[name].set()
        await self._settled()

    async def give_up(self, name: str) -> None:
        self._tasks[name].cancel()
        await self._settled()

    async def empty(self) -> None:
        for name in self._leave:
            await self.go(name)
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _settled(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


STORIES: list[tuple[int, Sequence[str], str]] = [
    # slots, events (+ asks for a slot, - returns it, x is cancelled) → callers in the order in which they get a slot
    (1, ["+a1", "+a2", "-a1", "-a2"], "a1 a2"),
    (1, ["+a1", "+a2", "+a3", "+b1", "-a1", "-a2", "-b1"], "a1 a2 b1 a3"),
    (2, ["+a1", "+a2", "+a3", "-a2"], "a1 a2 a3"),
    (1, ["+a1", "+a2", "+b1", "xa2", "-a1"], "a1 b1"),
    (1, ["+a1", "xa1", "+b1"], "a1 b1"),
    (9, ["+c1", "+c2", "+c3", "+a1", "-c1"], "c1 c2 a1 c3"),
    (4, ["+A1", "+A2", "+A3", "+B1", "+D1", "+E1", "-A1", "-A2"], "A1 A2 B1 D1 E1 A3"),
    (1, ["+A1", "+A2", "+B1", "-A1", "-A2"], "A1 A2 B1"),
]


@pytest.mark.parametrize("make", [Shares, lambda total: workers()[0].shares("them", total)])
@pytest.mark.parametrize(("total", "events", "order"), STORIES)
async def test_slots_are_given_in_a_fair_order(
    make: Callable[[int], Shares], total: int, events: Sequence[str], order: str
) -> None:
    """Party c has a concurrency of two. Capital letters leave slots free for other parties."""
    visitors = Visitors(Slots(make(total)))
    for event in events:
        name = event[1:]
        match event[0]:
            case "+":
                await visitors.come(name, 2 if name[0] == "c" else None)
            case "-":
                await visitors.go(name)
            case _:
                await visitors.give_up(name)

    assert order == " ".join(visitors.inside)

    await visitors.empty()
    assert (0, 0) == (visitors.slots.busy, visitors.slots.waiting)


async def test_a_slot_is_passed_on_if_its_caller_is_cancelled_just_then() -> None:
    visitors = Visitors(Slots(Shares(1)))
    await visitors.come("a1")
    await visitors.come("b1")
    await visitors.come("c1")
    visitors._leave["a1"].set()  # noqa: SLF001 - b1 gets the slot and is cancelled before it runs
    await asyncio.sleep(0)
    visitors._tasks["b1"].cancel()  # noqa: SLF001
    await visitors.come("d1")

    assert "c1" in visitors.inside

    await visitors.empty()
    assert (0, 0) == (visitors.slots.busy, visitors.slots.waiting)


async def test_workers_share_slots_and_the_longest_wait_is_first() -> None:
    one, other = (Slots(state.shares("them", 1)) for state in workers())
    order: list[str] = []

    async def use(slots: Slots, name: str) -> None:
        async with slots.taken(Party(name[0])):
            order.append(name)

    async with one.taken(Party("a")):
        waiting = []
        for at, slots in enumerate((one, other, one, other)):
            waiting.append(asyncio.create_task(use(slots, f"a{at}")))
            await asyncio.sleep(0)
        assert (1, 1) == (one.busy, other.busy)
    await asyncio.gather(*waiting)

    assert ["a0", "a1", "a2", "a3"] == order
    assert (0, 0) == (one.busy, other.busy)


async def test_the_concurrency_of_a_key_is_that_of_all_workers_and_a_dead_one_holds_nothing() -> None:
    seen, party = memories(), Party("key", 2)
    one, other = (Slots(SharedState(memory).shares("them", 9)) for memory in seen)
    async with one.taken(party), other.taken(party):
        assert one.capped(party)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), one.taken(party):
                pass
        seen[0].forget(1)
        async with one.taken(party):
            assert 2 == one.busy


async def test_one_party_s_files_leave_processes_for_the_others() -> None:
    """Party a has eight files that no process ever finishes."""

    worker = Worker(2, turns=lambda _, count: turns(count))
    stuck = [asyncio.create_task(worker.run(WorkerQueue(Party("a")), hostile.idling)) for _ in range(8)]
    await asyncio.sleep(0)
    served = [await worker.run(WorkerQueue(Party(name)), hostile.double, 1) for name in "bcbc"]
    for task in stuck:
        task.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)
    alone = await worker.run(WorkerQueue(Party("a")), hostile.double, 2)
    await worker.close()

    assert ([2] * 4, 4) == (served, alone)


async def test_a_party_gets_as_many_turns_as_there_are_processes() -> None:
    turn = turns(2)
    async with turn(ANYONE), turn(ANYONE):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0), turn(ANYONE):
                pass
        async with turn(Party("b")):
            pass
