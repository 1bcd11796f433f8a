"""State that the workers of a server have in common: shares, rate limits and circuit breakers.

`OwnState` keeps it in this process, `SharedState` in memory that the workers of one machine share. Rate limits that
several machines share are kept in Redis (`budget`).
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from typing import Final, Protocol

from compat.catalogue.rates import Rate
from compat.config.principal import Party
from compat.sharing.cells import BreakerState
from compat.sharing.memory import SharedMemory
from compat.upstream.breaker import Breaker, State
from compat.upstream.shares import Shares, room
from compat.upstream.windows import Windows

STEP: Final = 1 << 20  # bytes


class CommonState(Protocol):
    others: int
    """The number of other workers."""

    def shares(self, name: str, total: int = sys.maxsize) -> Shares:
        """Return the shares of this name; all workers give the same total."""

    def bytes(self, name: str, total: int) -> Shares:
        """Return shares of bytes. A worker may hold some more than are used."""

    def windows(self) -> Windows: ...

    def breaker(self, name: str, *, failures: int, pause: float) -> Breaker: ...


class OwnState:
    others = 0

    def shares(self, _: str, total: int = sys.maxsize) -> Shares:
        return Shares(total)

    def bytes(self, _: str, total: int) -> Shares:
        return Shares(total)

    def windows(self) -> Windows:
        return Windows()

    def breaker(self, _: str, *, failures: int, pause: float) -> Breaker:
        return Breaker(failures=failures, pause=pause)


class SharedState:
    def __init__(self, memory: SharedMemory) -> None:
        self._memory = memory
        self.others = memory.workers - 1

    def shares(self, name: str, total: int = sys.maxsize) -> Shares:
        return SharedShares(self._memory, name, total)

    def bytes(self, name: str, total: int) -> Shares:
        return SharedBytes(self._memory, name, total)

    def windows(self) -> Windows:
        return SharedWindows(self._memory)

    def breaker(self, name: str, *, failures: int, pause: float) -> Breaker:
        return SharedBreaker(self._memory, name, failures=failures, pause=pause)


class SharedShares(Shares):
    """Shares of all workers. Each holds its own part, and the supervisor gives back that of a dead worker.

    A share is taken first, and given back if all workers together then hold too much: two that take the last one at
    the same time may both get none. There is room for some 20,000 names at a time; beyond that, new parties get none.
    """

    between_processes = True

    def __init__(self, memory: SharedMemory, name: str, total: int) -> None:
        super().__init__(total)
        self._counts = memory.counts
        self._all = f"{name}\0all"
        self._unknown = f"{name}\0strangers"
        self._name = f"{name}\0party "

    @property
    def used(self) -> int:
        return self._counts.total(self._all)

    def held(self, party: Party) -> int:
        return self._counts.total(self._name + party.name)

    def room(self, party: Party) -> int:
        return room(self.total, self.used, self.held(party), self._strangers_of(party), party)

    def take(self, party: Party, amount: int = 1, *, most: int | None = None, since: float = 0.0) -> bool:
        counts, names = self._counts, self._names(party)
        held = counts.total(names[0])
        if most is not None and held + amount > most:
            return False
        if amount > room(self.total, counts.total(self._all), held, self._strangers_of(party), party):
            return False
        if since and not counts.first(names[0], since, time.monotonic()):
            return False
        if not counts.add(amount, *names):
            return False
        if counts.total(self._all) > self.total or (most is not None and counts.total(names[0]) > most):
            counts.add(-amount, *names)
            return False
        return True

    def give(self, party: Party, amount: int = 1) -> None:
        if amount:
            self._counts.add(-amount, *self._names(party))

    def wait(self, party: str, since: float) -> None:
        self._counts.wait(self._name + party, since, time.monotonic())

    def _strangers_of(self, party: Party) -> int:
        return 0 if party.known else self._counts.total(self._unknown)

    def _names(self, party: Party) -> tuple[str, ...]:
        """Return the names under which the party's shares are counted. The first is its own."""
        own = self._name + party.name
        return (own, self._all) if party.known else (own, self._all, self._unknown)


class SharedBytes(SharedShares):
    """Shares of bytes that are taken often: a worker takes STEP more than it needs for a party and uses that up on its
    own. It gives the rest back with the party's last byte."""

    def __init__(self, memory: SharedMemory, name: str, total: int) -> None:
        super().__init__(memory, name, total)
        self._mine: dict[Party, tuple[int, int]] = {}
        """What each party uses here, and what was taken for it."""

    def take(self, party: Party, amount: int = 1, *, most: int | None = None, since: float = 0.0) -> bool:
        used, taken = self._mine.get(party, (0, 0))
        if (lacking := used + amount - taken) > 0:
            if super().take(party, lacking + STEP, most=most, since=since):
                lacking += STEP
            elif not super().take(party, lacking, most=most, since=since):
                return False
            taken += lacking
        self._mine[party] = used + amount, taken
        return True

    def give(self, party: Party, amount: int = 1) -> None:
        if not amount:
            return
        used, taken = self._mine[party]
        used -= amount
        kept = min(taken, used + 2 * STEP) if used else 0
        super().give(party, taken - kept)
        self._mine[party] = used, kept
        if not used:
            del self._mine[party]


class SharedWindows(Windows):
    """The recent calls of all workers. Names for which there is no room are counted in this process."""

    def __init__(self, memory: SharedMemory, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._lock = memory.lock
        self._rings = memory.rings
        self._now = clock

    def spend(self, rate: Rate, *names: str) -> bool:
        with self._lock:
            spent = self._rings.spend(_ring(rate, names), rate.calls, rate.seconds, self._now())
        return super().spend(rate, *names) if spent is None else spent

    def left(self, rate: Rate, *names: str) -> tuple[int, float]:
        with self._lock:
            left = self._rings.left(_ring(rate, names), rate.calls, rate.seconds, self._now())
        return super().left(rate, *names) if left is None else left


@functools.lru_cache(1000)
def _ring(rate: Rate, names: tuple[str, ...]) -> str:
    return "\0".join((f"{rate.calls}/{rate.seconds}", *names))


class SharedBreaker(Breaker):
    """The breaker of all workers: one call of all of them probes the service."""

    def __init__(self, memory: SharedMemory, name: str, *, failures: int, pause: float) -> None:
        super().__init__(failures=failures, pause=pause)
        self._name = name
        self._lock = memory.lock
        self._cells = memory.cells
        with self._lock:
            self._read()  # gives the name its cell

    def state(self, now: float) -> State:
        self._read()
        return super().state(now)

    def enter(self, now: float) -> float:
        if not self._read().until:
            return 0.0
        with self._lock:
            found = self._read()
            wait = super().enter(now)
            if self._trying and not found.trying:
                self._cells.write(self._name, found._replace(trying=self._cells.mine))
        return wait

    def leave(self, now: float, outcome: BaseException | None) -> None:
        if outcome is None and not any(self._read()):
            return
        with self._lock:
            found = self._read()
            self._trying = found.trying == self._cells.mine
            trying = 0.0 if self._trying else found.trying
            super().leave(now, outcome)
            self._cells.write(self._name, BreakerState(self._failures, self._until or 0.0, trying))

    def _read(self) -> BreakerState:
        found = self._cells.read(self._name)
        self._failures, self._until, self._trying = found.failures, found.until or None, bool(found.trying)
        return found
