"""The emulator as a server's local engine: a child process that serves its parent only.

The parent writes one line of JSON to standard input and holds the other end open as long as it lives. It reads `ready`
from standard output once the engine has loaded its model, or `failed` and a sentence when it cannot. No signal ends
this process but SIGKILL: when a terminal or a service manager signals the whole group, the parent still has requests to
finish.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path

import msgspec
import uvicorn

from compat.emulator.app import create_app
from compat.emulator.engine import Loadable, Unusable
from compat.emulator.engines import engine as make
from compat.emulator.site import LOOPBACK, Reach, Site
from compat.emulator.state import Limits

GOODBYE = 3.0  # seconds for requests under way, when the parent has gone
KEPT = 600.0  # seconds for which an upload or a result may be wanted: the parent uses them at once


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """`fd` is a Unix socket that listens at `path`, alone in its folder; `folder` is this engine's alone. `key` is new
    at each start of the parent."""

    fd: int
    path: str
    engine: str
    key: str
    folder: str
    disk_bytes: int
    reach: frozenset[Reach] = frozenset()


class _EngineServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, engine: Loadable) -> None:
        super().__init__(config)
        self._engine = engine

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        threading.Thread(target=self._prepare, daemon=True).start()

    def _prepare(self) -> None:
        try:
            self._engine.prepare()
        except Unusable as exc:
            _tell(f"failed {exc}")
            os._exit(1)
        except Exception as exc:
            logging.getLogger("dashscope.emulator").exception("the engine cannot be loaded")
            _tell(f"failed The local engine cannot load its model ({type(exc).__name__}); the log says why.")
            os._exit(1)
        _tell("ready")


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    line = sys.stdin.buffer.readline()
    if not line:
        return
    given = msgspec.json.decode(line, type=Launch)
    engine = make(given.engine)
    app = create_app(
        engine,
        keys=frozenset({given.key}),
        limits=Limits(object_seconds=KEPT, result_seconds=KEPT, disk_bytes=given.disk_bytes),
        site=Site(hosts=LOOPBACK, control=False, reach=given.reach, folder=Path(given.folder), single_use=True),
    )
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        ws="websockets-sansio",
        ws_max_size=24 << 20,
    )
    server = _EngineServer(config, engine)
    serving = threading.Thread(target=_serve, args=(server, socket.socket(fileno=given.fd)), daemon=True)
    serving.start()
    sys.stdin.buffer.read()  # until the parent's end of the pipe is closed
    server.should_exit = True
    serving.join(GOODBYE)
    app.state.emulator.folder.close()
    shutil.rmtree(Path(given.path).parent, ignore_errors=True)
    os._exit(0)


def _serve(server: _EngineServer, listener: socket.socket) -> None:
    """Off the main thread uvicorn leaves signals alone. Where it ends on its own, so does the process."""
    server.run(sockets=[listener])
    if not server.should_exit:
        os._exit(1)
