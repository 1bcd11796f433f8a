"""What is one for all workers of a server: shares, rate limits and circuit breakers.

`OwnState` keeps it in this process, `SharedState` in memory that the workers of one machine share. Rate limits that
several machines share are kept in Redis (`budget`).
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from typing import Protocol

from compat.catalogue.rates import Rate
from compat.config.principal import Party
from compat.sharing.cells import BreakerState
from compat.sharing.memory import SharedMemory
from compat.upstream.breaker import Breaker, State
from compat.upstream.shares import Shares, room
from compat.upstream.windows import Windows


class CommonState(Protocol):
    others: int
    """The number of other workers."""

    def shares(self, name: str, total: int = sys.maxsize) -> Shares:
        """Return the shares of this name; all workers give the same total."""

    def windows(self) -> Windows: ...

    def breaker(self, name: str, *, failures: int, pause: float) -> Breaker: ...


class OwnState:
    others = 0

    def shares(self, _: str, total: int = sys.maxsize) -> Shares:
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

    def windows(self) -> Windows:
        return SharedWindows(self._memory)

    def breaker(self, name: str, *, failures: int, pause: float) -> Breaker:
        return SharedBreaker(self._memory, name, failures=failures, pause=pause)


class SharedShares(Shares):
    """Shares of all workers. Each holds its own part, and the supervisor gives back that of a dead worker.

    There is room for some 20,000 names at a time; beyond that, new parties get nothing.
    """

    elsewhere = True

    def __init__(self, memory: SharedMemory, name: str, total: int) -> None:
        super().__init__(total)
        self._lock = memory.lock
        self._counts = memory.counts
        self._all = f"{name}\0all"
        self._unknown = f"{name}\0strangers"
        self._name = f"{name}\0party "

    @property
    def used(self) -> int:
        with self._lock:
            return self._counts.total(self._all)

    def held(self, party: Party) -> int:
        with self._lock:
            return self._counts.total(self._name + party.name)

    def room(self, party: Party) -> int:
        with self._lock:
            return self._room(party, self._counts.total(self._name + party.name))

    def take(self, party: Party, amount: int = 1, *, most: int | None = None, since: float = 0.0) -> bool:
        name = self._name + party.name
        with self._lock:
            held = self._counts.total(name)
            if amount > self._room(party, held) or (most is not None and held + amount > most):
                return False
            if since and not self._counts.first(name, since, time.monotonic()):
                return False
            return self._add(party, amount)

    def give(self, party: Party, amount: int = 1) -> None:
        if amount:
            with self._lock:
                self._add(party, -amount)

    def wait(self, party: str, since: float) -> None:
        with self._lock:
            self._counts.wait(self._name + party, since, time.monotonic())

    def _room(self, party: Party, held: int) -> int:
        strangers = 0 if party.known else self._counts.total(self._unknown)
        return room(self.total, self._counts.total(self._all), held, strangers, party)

    def _add(self, party: Party, amount: int) -> bool:
        counts = self._counts
        if not counts.add(self._name + party.name, amount):
            return False
        counts.add(self._all, amount)
        if not party.known:
            counts.add(self._unknown, amount)
        return True


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

    def state(self, now: float) -> State:
        with self._lock:
            self._read()
        return super().state(now)

    def enter(self, now: float) -> float:
        with self._lock:
            found = self._read()
            wait = super().enter(now)
            if self._trying and not found.trying:
                self._cells.write(self._name, found._replace(trying=self._cells.mine))
        return wait

    def leave(self, now: float, outcome: BaseException | None) -> None:
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
