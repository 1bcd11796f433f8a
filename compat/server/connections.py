"""Connection limits: a total, and half of it for one address.

At the limit, a new connection closes the oldest idle one. If none is idle, a few surplus connections are accepted. They
serve health checks and refuse other requests.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from compat.config.networks import address, client_network
from compat.upstream.shares import Shares

SPARE: Final = 32  # surplus connections, for health checks
YOUNG: Final = 1.0  # seconds for which an idle connection is kept: its first request may be on the way
USUAL: Final = 4096  # connections
OWN: Final = 64  # file descriptors for the server's own files
MEMORY: Final = 1 << 30  # bytes
ENOUGH: Final = 16_384  # file descriptors requested from the system


@dataclass(eq=False, slots=True)
class ConnectionSlot:
    """One connection.

    `network`: the address or prefix whose connections share one limit; None for a surplus connection.
    `end`: aborts the connection.
    """

    network: str | None
    end: Callable[[], None]
    idle_since: float

    @property
    def surplus(self) -> bool:
        return self.network is None


class Connections:
    """The open connections of a server.

    `spared`: whether an address, such as that of a trusted proxy, is exempt from the limit for one address.
    `memory`: bytes for long live messages, used if the application does not set its own limit.
    """

    def __init__(
        self, most: int = USUAL, spared: Callable[[str], bool] = lambda _: False, memory: int = MEMORY
    ) -> None:
        self.memory = Shares(memory)
        self._most = most
        self._share = max(1, most // 2)
        self._spared = spared
        self._open: set[ConnectionSlot] = set()
        self._count: Counter[str | None] = Counter()
        self._idle: dict[str | None, dict[ConnectionSlot, None]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, host: str, end: Callable[[], None], now: float) -> ConnectionSlot:
        """Register a connection from `host`. It counts as idle until its first request."""
        parsed = address(host)
        network: str | None = client_network(parsed) if parsed else host
        if not self._has_room(network, host, now):
            network = None
            if self._count[None] >= SPARE:
                self._cut(next(iter(self._idle.get(None, ())), None) or self._surplus_slot())
        slot = ConnectionSlot(network, end, now)
        self._open.add(slot)
        self._count[network] += 1
        self.idle(slot, now)
        return slot

    def idle(self, slot: ConnectionSlot, now: float) -> None:
        waiting = self._idle.setdefault(slot.network, {})
        if slot in self._open and slot not in waiting:
            slot.idle_since = now
            waiting[slot] = None

    def busy(self, slot: ConnectionSlot) -> None:
        if slot.network in self._idle:
            self._idle[slot.network].pop(slot, None)

    def leave(self, slot: ConnectionSlot) -> None:
        if slot not in self._open:
            return
        self.busy(slot)
        self._open.remove(slot)
        self._count[slot.network] -= 1
        if not self._count[slot.network]:
            del self._count[slot.network]
            self._idle.pop(slot.network, None)

    def _has_room(self, network: str | None, host: str, now: float) -> bool:
        """Return whether there is room, after closing an idle connection if necessary."""
        if self._count[network] >= self._share and not self._spared(host):
            return self._close_idle([network], now)
        if len(self._open) - self._count[None] < self._most:
            return True
        return self._close_idle([name for name, _ in self._count.most_common() if name is not None], now)

    def _close_idle(self, networks: list[str | None], now: float) -> bool:
        for network in networks:
            oldest = next(iter(self._idle.get(network, ())), None)
            if oldest is not None and now - oldest.idle_since >= YOUNG:
                self._cut(oldest)
                return True
        return False

    def _surplus_slot(self) -> ConnectionSlot:
        return next(slot for slot in self._open if slot.surplus)

    def _cut(self, slot: ConnectionSlot) -> None:
        self.leave(slot)
        slot.end()


def fitting(most: int, *bounds: int) -> list[int]:
    """Scale `bounds` down in proportion, so that together they need at most `most` connections.

    A client that uses up its share of the work then leaves connections for other clients.
    """
    return [max(1, min(bound, most * bound // sum(bounds))) for bound in bounds]


def room() -> int:
    """Raise the limit of open files, and return the number of connections for which it suffices.

    Each connection may need a second file descriptor, for an upload or a request to the upstream.
    """
    if sys.platform == "win32":
        return USUAL
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    files = ENOUGH if soft == resource.RLIM_INFINITY else soft
    return max(1, min(USUAL, (files - OWN) // 2))
