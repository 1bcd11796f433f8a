"""Running a server until a signal arrives, and what is printed then."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import click
import uvicorn

from compat.config import extras
from compat.config.settings import Settings
from compat.config.variables import SettingsError
from compat.server.connections import Connections, fitting
from compat.server.local_engine import AnyEngine, LocalEngine
from compat.server.run import Server, config
from compat.sharing.team import Team

if TYPE_CHECKING:
    from compat.observability.tracing import Traces

_SOONER = 0.9  # so that the engine gives up first: its error names the server
LOOPBACK = ("127.0.0.1", "::1", "localhost")
INTERRUPTED = 128 + signal.SIGINT
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclasses.dataclass(frozen=True)
class Serving:
    """How to serve: the options of the command `serve`, and the number of connections `most` at a time."""

    most: int
    cert: Path | None = None
    key: Path | None = None
    insecure: bool = False


class Stopping(uvicorn.Server):
    """A server that confirms a signal and ends the process with the matching exit status."""

    confirms: ClassVar = True
    _signal: int | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._signal is None:
            self._signal = sig
            if self.confirms:
                confirm()
        super().handle_exit(sig, frame)
        if self.force_exit:
            logging.disable()  # hide the errors of requests that are cut off

    def until_signal(self, listener: socket.socket) -> None:
        """Run until a signal arrives, then raise SystemExit.

        The handlers are installed before uvicorn's own, for signals during the start. uvicorn raises the signals that
        it has received again after its shutdown.
        """
        for number in stop_signals():
            signal.signal(number, self.handle_exit)
        self.run(sockets=[listener])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise SystemExit(INTERRUPTED if self._signal == signal.SIGINT else 0)


def stop_signals() -> list[signal.Signals]:
    """Return the signals that stop the server. nohup ignores SIGHUP."""
    return [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]


def confirm() -> None:
    """Say that the server is stopping."""
    hint = " Press Ctrl-C again to stop at once." if sys.stdin.isatty() else ""
    # The reader of standard error may be gone or stall. Not buffered: the signal may interrupt another write.
    with contextlib.suppress(OSError):
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"Stopping.{hint}\n".encode())


class ApiServer(Stopping, Server):
    """A server of the API. Raises SettingsError for settings that cannot be used."""

    def __init__(
        self,
        settings: Settings,
        local: AnyEngine | None,
        serving: Serving,
        team: Team | None = None,
        calls: Sequence[socket.socket] = (),
    ) -> None:
        """`calls` are the sockets for calls by WebRTC."""
        from compat.app import create_app

        traces = _traces() if settings.traces else None
        app = create_app(settings, traces, local, insecure=serving.insecure, team=team, calls=calls)
        uvicorn_config = config(
            app,
            serving.cert,
            serving.key,
            head_timeout=settings.head_timeout,
            body_timeout=settings.body_timeout,
            keep_alive=settings.keep_alive,
            connections=Connections(serving.most, settings.trusts),
        )
        memory = team.memory if team else None
        super().__init__(uvicorn_config, app.state.retire, app.state.leave, memory)


class AnnouncingServer(ApiServer):
    """A server in one process. `ready` is called when it accepts connections."""

    def __init__(
        self,
        settings: Settings,
        local: AnyEngine | None,
        serving: Serving,
        ready: Callable[[], object],
        calls: Sequence[socket.socket],
    ) -> None:
        super().__init__(settings, local, serving, calls=calls)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def local_environment(local: LocalEngine) -> dict[str, str]:
    """Return the settings that select the local engine."""
    return {
        "COMPAT_ENGINE": local.name,
        "DASHSCOPE_API_KEY": local.key,
        "DASHSCOPE_BASE_URL": local.root,
        "DASHSCOPE_WEBSOCKET_BASE_URL": "",
        "DASHSCOPE_FALLBACK_API_KEY": "",
    }


def remote(settings: Settings, engine: str) -> dict[str, object] | None:
    """Return the server that the engine `openai` asks, in the form of compat.emulator.remote; None for others.

    The proxies of the environment are read here, because the server forgets them for itself.
    """
    if engine != "openai":
        return None
    if not settings.engine_url:
        raise SettingsError("The engine openai needs COMPAT_ENGINE_URL, the base URL of a server.")
    parts = urlsplit(settings.engine_url)
    host = parts.hostname or ""
    direct = host in LOOPBACK or proxy_bypass(host)
    return {
        "url": settings.engine_url,
        "key": settings.engine_key or "",
        "model": settings.engine_model or "",
        "concurrency": settings.engine_concurrency,
        "partial_seconds": settings.engine_partial,
        "connect_timeout": settings.connect_timeout,
        "answer_timeout": settings.answer_timeout * _SOONER,
        "proxy": None if direct else getproxies().get(parts.scheme, getproxies().get("all")),
    }


def fitted(settings: Settings, most: int) -> Settings:
    """Return `settings` with the limits on sessions and requests scaled down to `most` connections."""
    sessions, requests = fitting(most, settings.max_sessions, settings.max_requests)
    if (sessions, requests) == (settings.max_sessions, settings.max_requests):
        return settings
    click.echo(
        f"The limit of {most} connections allows at most {sessions} live sessions and {requests} requests at a time. "
        "To allow more, raise the limit of open files (ulimit -n), and COMPAT_MAX_CONNECTIONS if it is set.",
        err=True,
    )
    return dataclasses.replace(settings, max_sessions=sessions, max_requests=requests)


def _traces() -> Traces:
    extras.need("otel", "COMPAT_TRACES")
    from compat.observability.tracing import exported

    return exported()
