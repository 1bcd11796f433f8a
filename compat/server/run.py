"""Running the server: uvicorn's configuration, and a shutdown that lets live sessions finish first."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import gc
import logging
import math
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, cast

import uvicorn

from compat.config.variables import SettingsError
from compat.server import http
from compat.server.accepting import Acceptor
from compat.server.connections import Connections
from compat.server.tls import Handshake
from compat.server.websocket import WebSocketProtocol
from compat.sharing.memory import SharedMemory

LARGEST_FRAME: Final = 24 << 20  # bytes: an append of 15 MiB of audio in base64
PING: Final = 20.0  # seconds
FINISH: Final = 30.0  # seconds that requests and jobs have to finish when the server stops
KEEP_ALIVE: Final = 130.0  # seconds: longer than proxies do (Caddy 120 s, Go and Traefik 90 s, nginx 60 s)
# If a client sends audio faster than the upstream accepts it, its pongs are queued behind its audio.
PONG: Final = 180.0  # seconds

KEPT: Final = 8 << 20  # bytes: more than the buffers of an upload that is forwarded in one request
M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3


FALSE_ALARMS: Final = (
    "ASGI callable returned without completing handshake.",  # an upgrade refused with our own response
    "Invalid UTF-8 sequence received from client.",  # a client error; the session's log entry has close code 1007
)


def _is_real_error(record: logging.LogRecord) -> bool:
    """Filter out messages that uvicorn 0.54 logs as errors but that report none."""
    return record.getMessage() not in FALSE_ALARMS


def config(
    app: Any,  # noqa: ANN401 - any ASGI app
    cert: Path | None = None,
    key: Path | None = None,
    *,
    head_timeout: float = 10.0,
    body_timeout: float = 30.0,
    keep_alive: float = KEEP_ALIVE,
    connections: Connections | None = None,
    ping: float = PING,
    pong: float = PONG,
    ws: type[WebSocketProtocol] = WebSocketProtocol,
) -> uvicorn.Config:
    """Return uvicorn's configuration for `app`.

    `head_timeout` and `body_timeout` limit how slowly clients may send (see `compat.server.http.HttpProtocol`).
    `keep_alive`: seconds between a response and the next request.
    `ping` and `pong`: seconds between WebSocket pings, and seconds to wait for each pong.
    """
    logging.getLogger("uvicorn.error").addFilter(_is_real_error)
    limits = Connections() if connections is None else connections
    bounds = {"head_timeout": head_timeout, "body_timeout": body_timeout, "all": limits}
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(FINISH),
        timeout_keep_alive=math.ceil(keep_alive),
        ssl_certfile=cert,
        ssl_keyfile=key,
        proxy_headers=False,
        http=type("Bounded", (http.HttpProtocol,), bounds),
        ws=ws,
        ws_max_size=LARGEST_FRAME,
        ws_ping_interval=ping,
        ws_ping_timeout=pong,
    )


def certificate(cert: Path, key: Path) -> ssl.SSLContext:
    """Return a context with the certificate. Raises SettingsError if the files are not a PEM certificate chain and its
    unencrypted key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError) as exc:
        raise SettingsError(
            f"--tls-cert {cert} and --tls-key {key} should be a PEM certificate chain and its key, unencrypted."
        ) from exc
    return context


def _no_password() -> str:
    raise ValueError("the key needs a password")  # without this callback, OpenSSL prompts for it in the terminal


class Server(uvicorn.Server):
    """A uvicorn server with a shutdown in two steps.

    `retire` is awaited while new connections are still accepted. `leave` is awaited after that, before connections are
    closed. uvicorn alone would close live sessions at once, with code 1012.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        retire: Callable[[], Awaitable[None]],
        leave: Callable[[], Awaitable[None]],
        memory: SharedMemory | None = None,
    ) -> None:
        """`memory` is that of the workers with which this one shares its sockets."""
        super().__init__(config)
        self._retire = retire
        self._leave = leave
        self._memory = memory

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([])  # no sockets: uvicorn's own listeners wait a minute for each TLS handshake
        loop = asyncio.get_running_loop()
        for listener in sockets or ():
            self.servers.append(
                cast("asyncio.Server", Acceptor(listener, self._make_protocol, self._memory, self._connections))
                if self._memory
                else await loop.create_server(self._make_protocol, sock=listener, backlog=self.config.backlog)
            )
        gc.collect()
        gc.freeze()  # existing objects are permanent; each full collection would spend 10 ms or more on them
        gc.set_threshold(10_000, 20, 50)
        _keep_freed_memory()

    def _connections(self) -> int:
        return len(self.server_state.connections)

    def _make_protocol(self) -> asyncio.Protocol:
        protocol = cast("type[http.HttpProtocol]", self.config.http_protocol_class)
        make = functools.partial(protocol, self.config, self.server_state, self.lifespan.state)
        return Handshake(self.config.ssl, make) if self.config.ssl else make()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._unless_forced(self._retire)
        for server in self.servers:
            server.close()
        await self._unless_forced(self._leave)
        closing = functools.partial(super().shutdown, sockets)
        await (closing() if self.force_exit else self._unless_forced(closing))

    async def _unless_forced(self, step: Callable[[], Awaitable[None]]) -> None:
        """Await `step`, or cancel it at a second Ctrl-C."""
        taking = asyncio.ensure_future(step())
        while not (taking.done() or self.force_exit):
            await asyncio.wait([taking], timeout=0.1)
        taking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await taking


def _keep_freed_memory() -> None:
    """Stop glibc from returning freed blocks of 128 KiB and more to the system (mallopt(3)).

    Mapping and clearing them again takes two thirds of the time for forwarding an upload of 1 MiB.
    """
    with contextlib.suppress(AttributeError):  # other C libraries have no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, KEPT)
        mallopt(M_TRIM_THRESHOLD, KEPT)
