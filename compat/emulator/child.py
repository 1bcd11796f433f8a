"""Entry point of the server's local engine: the emulator in a child process that serves only its parent.

The parent writes one line of JSON to standard input and keeps the pipe open while it runs. It reads `ready` from
standard output once the engine has loaded its model, or `failed` and a sentence. The process ignores all signals except
SIGKILL: when a terminal or a service manager signals the whole group, the parent still has requests to finish.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import sys
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import uvicorn

from compat.emulator.app import create_app
from compat.emulator.engine import Loadable, Unusable
from compat.emulator.engines import engine as make
from compat.emulator.remote.client import RemoteServer
from compat.emulator.site import LOOPBACK, Reach, Site
from compat.emulator.state import Limits

GRACE = 3.0  # seconds for requests in progress after the parent has ended
KEPT = 600.0  # seconds for which uploads and results are kept; the parent uses them at once


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent sends. `fd`: a Unix socket that listens at `path`, whose folder holds nothing else. `folder`: for
    the engine's files. `key`: new at each start of the parent. `server`: what the engine `openai` asks."""

    fd: int
    path: str
    engine: str
    key: str
    folder: str
    disk_bytes: int
    reach: frozenset[Reach] = frozenset()
    server: RemoteServer | None = None


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
            _report(f"failed {exc}")
            os._exit(1)
        except Exception as exc:
            logging.getLogger("dashscope.emulator").exception("the engine failed to load")
            _report(f"failed The local engine cannot load its model ({type(exc).__name__}); see the log.")
            os._exit(1)
        _report("ready")


class _JsonFormatter(logging.Formatter):
    """Format entries like the parent's: JSON with the type and the traceback of an exception.

    The message of an exception is left out, because it may quote a client's text.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and (exc := record.exc_info[1]):
            frames = traceback.extract_tb(exc.__traceback__)
            places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
            line["exceptions"] = [{"type": type(exc).__name__, "at": places}]
        return msgspec.json.encode(line).decode()


def _report(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    line = sys.stdin.buffer.readline()
    if not line:
        return
    given = msgspec.json.decode(line, type=Launch)
    engine = make(given.engine, given.server)
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
    sys.stdin.buffer.read()  # until the parent closes the pipe
    logging.disable()  # hide the errors of requests that are cut off
    server.should_exit = True
    serving.join(GRACE)
    app.state.emulator.folder.close()
    shutil.rmtree(Path(given.path).parent, ignore_errors=True)
    os._exit(0)


def _serve(server: _EngineServer, listener: socket.socket) -> None:
    """Run the server outside the main thread, where uvicorn installs no signal handlers. If the server ends by itself,
    the process exits."""
    server.run(sockets=[listener])
    if not server.should_exit:
        os._exit(1)
