"""A worker of `serve --workers`: a process that serves the supervisor's socket, until a signal arrives or it is alone.

It is started with the number of a file descriptor: a socket on which the supervisor sends its Orders.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import ClassVar

import msgspec

from compat.cli.orders import READY, Orders
from compat.cli.serving import ApiServer, Serving
from compat.config.settings import Settings
from compat.config.variables import SettingsError
from compat.observability import logs
from compat.server.local_engine import AnyEngine, SharedEngine, forget_proxies
from compat.sharing.memory import SharedMemory
from compat.sharing.team import Team


class WorkerServer(ApiServer):
    confirms: ClassVar = False  # the supervisor does

    def __init__(
        self, control: socket.socket, settings: Settings, local: AnyEngine | None, serving: Serving, team: Team
    ) -> None:
        super().__init__(settings, local, serving, team)
        self._control = control
        self._team = team
        self.alone = False
        """Whether the supervisor has died."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        asyncio.get_running_loop().add_reader(self._control, self._alone)
        self._control.sendall(READY)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        asyncio.get_running_loop().remove_reader(self._control)
        self._team.memory.connected(-1)

    def _alone(self) -> None:
        """Stop: the end of what the supervisor sends is its own."""
        self.alone = True
        asyncio.get_running_loop().remove_reader(self._control)
        self._team.memory.stop()
        self.handle_exit(signal.SIGTERM, None)


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    with control.makefile("rb") as lines:
        orders = msgspec.json.decode(lines.readline(), type=Orders)
    team = Team(SharedMemory(orders.memory, orders.workers, orders.worker), Path(orders.folder))
    local = None
    if orders.engine:
        forget_proxies()
        local = SharedEngine(orders.engine[0], Path(orders.engine[1]), lambda: team.memory.notice)
    cert, key = (Path(path) if path else None for path in (orders.cert, orders.key))
    serving = Serving(orders.most, cert, key, orders.insecure)
    try:
        settings = Settings.read({**os.environ, **orders.settings})
        logs.start(settings.log_level, settings.log_format, team, orders.worker + 1)
        server = WorkerServer(control, settings, local, serving, team)
    except SettingsError as exc:
        sys.exit(f"Error: {exc}")
    try:
        server.until_signal(socket.socket(fileno=orders.listener))
    finally:
        if server.alone and max(team.memory.connections) < 0:  # the last one clears up
            shutil.rmtree(team.folder, ignore_errors=True)
