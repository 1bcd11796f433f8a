"""Opens sockets to a host: resolves its name and races the addresses ("Happy Eyeballs", RFC 8305).

uvloop tries the addresses of a name one after the other, so an IPv6 address that leads nowhere would use up the whole
connect timeout.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Sequence
from typing import Final

STAGGER: Final = 0.25  # seconds after which the next address is tried as well (RFC 8305, 8)

Entry = tuple[
    socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
]
"""What getaddrinfo returns: family, type, protocol, canonical name, address."""


async def dial(host: str, port: int) -> socket.socket:
    """Return a connected, non-blocking socket. Raises the OSError of the address that was tried first, and UnicodeError
    for a name that cannot exist."""
    return await race(await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM))


async def race(entries: Sequence[Entry]) -> socket.socket:
    """Return a socket that is connected to one of the addresses.

    They are tried with their families in turn. An attempt begins when the one before it has failed, or after STAGGER
    seconds; the socket that is connected first wins.
    """
    if len(entries) == 1:
        return await _connected(entries[0])
    entries = _alternating(entries)
    tasks: list[asyncio.Task[socket.socket]] = []
    winner: socket.socket | None = None
    try:
        waiting: set[asyncio.Task[socket.socket]] = set()
        while winner is None and (waiting or len(tasks) < len(entries)):
            if len(tasks) < len(entries):
                tasks.append(asyncio.create_task(_connected(entries[len(tasks)])))
                waiting.add(tasks[-1])
            patience = STAGGER if len(tasks) < len(entries) else None
            done, waiting = await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            winner = next((task.result() for task in done if task.exception() is None), None)
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, socket.socket) and result is not winner:
                result.close()
    return winner or tasks[0].result()


def _alternating(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries with their families in turn, beginning with the one that the system prefers."""
    families: dict[int, list[Entry]] = {}
    for entry in entries:
        families.setdefault(entry[0], []).append(entry)
    return [entry for turn in itertools.zip_longest(*families.values()) for entry in turn if entry is not None]


async def _connected(entry: Entry) -> socket.socket:
    family, kind, protocol, _, address = entry
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, address)
    except BaseException:
        opened.close()
        raise
    return opened
