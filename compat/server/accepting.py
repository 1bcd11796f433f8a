"""Accepting connections from a socket that several workers share.

asyncio's own servers accept all that is waiting at once: the first worker to wake up would get every connection of a
burst. Here a worker accepts one connection for each turn of its event loop, and first leaves it to a worker that has
fewer.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import Final

from compat.sharing.memory import SharedMemory

log = logging.getLogger("compat")
PAUSE: Final = 0.002  # seconds for which a connection is left to other workers
EXHAUSTED: Final = 1.0  # seconds until the next attempt if there are no file descriptors left
SCARCE: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Acceptor:
    """Accept connections from `listener`. Each gets a protocol from `make`.

    `count` returns how many connections this worker has.
    """

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], asyncio.BaseProtocol],
        memory: SharedMemory,
        count: Callable[[], int],
    ) -> None:
        self._listener = listener
        self._make = make
        self._memory = memory
        self._count = count
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[object]] = set()
        self._waiting: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        self._resume()

    def close(self) -> None:
        if self._listener.fileno() < 0:
            return
        self._loop.remove_reader(self._listener)
        if self._waiting:
            self._waiting.cancel()
        self._listener.close()
        self._memory.connected(-1)

    async def wait_closed(self) -> None:
        pass

    def _resume(self) -> None:
        self._memory.connected(self._count())
        self._waiting = None
        self._loop.add_reader(self._listener, self._accept_or_wait)

    def _accept_or_wait(self) -> None:
        """Accept a connection, or leave it to other workers for a moment."""
        mine = self._count() + len(self._tasks)
        self._memory.connected(mine)
        if mine > min((count for count in self._memory.connections if count >= 0), default=mine):
            self._pause(PAUSE, self._accept)
        else:
            self._accept()

    def _pause(self, seconds: float, then: Callable[[], object]) -> None:
        self._loop.remove_reader(self._listener)
        self._waiting = self._loop.call_later(seconds, then)

    def _accept(self) -> None:
        if self._waiting:
            self._resume()
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as exc:
            if exc.errno not in SCARCE:
                raise
            log.exception("a connection cannot be accepted")
            self._pause(EXHAUSTED, self._resume)
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._make, connection))
        self._tasks.add(task)
        task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()):  # the client has gone
            log.debug("a connection was lost at once", exc_info=exc)
