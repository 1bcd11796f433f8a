"""How this server is run: uvicorn's settings, and an end that lets live sessions finish first."""

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
from compat.server.connections import Connections
from compat.server.tls import Handshake
from compat.server.websocket import WebSocketProtocol

LARGEST_FRAME: Final = 24 << 20  # bytes: an append of 15 MiB of audio in base64
PING: Final = 20.0  # seconds
KEEP_ALIVE: Final = 130.0  # seconds: Caddy keeps its own connections for 120 s, Go and Traefik for 90, nginx for 60
# Pongs of a caller who sends faster than the service hears wait behind its own audio, for as long as that takes.
PONG: Final = 180.0

KEPT: Final = 8 << 20  # bytes: more than an upload needs that is sent on in one go
M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3


FALSE_ALARMS: Final = (
    "ASGI callable returned without completing handshake.",  # an upgrade that is refused by an answer of our own
    "Invalid UTF-8 sequence received from client.",  # the caller's mistake, and the session's line has its 1007
)


def _false_alarm(record: logging.LogRecord) -> bool:
    """What uvicorn 0.54 says as an error."""
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
    """The time-outs bound how slowly callers may send (see compat.server.http). `keep_alive`: seconds between an answer
    and the next request."""
    logging.getLogger("uvicorn.error").addFilter(_false_alarm)
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=30,
        timeout_keep_alive=math.ceil(keep_alive),
        ssl_certfile=cert,
        ssl_keyfile=key,
        proxy_headers=False,
        http=http.bounded(
            head_timeout=head_timeout,
            body_timeout=body_timeout,
            connections=Connections() if connections is None else connections,
        ),
        ws=ws,
        ws_max_size=LARGEST_FRAME,
        ws_ping_interval=ping,
        ws_ping_timeout=pong,
    )


def check_certificate(cert: Path, key: Path) -> None:
    """Raises SettingsError for files that no server could use."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=_ask_nobody)
    except (OSError, ValueError) as exc:
        raise SettingsError(
            f"--tls-cert {cert} and --tls-key {key} should be a PEM certificate chain and its key, unencrypted."
        ) from exc


def _ask_nobody() -> str:
    raise ValueError("the key asks for a password")  # otherwise OpenSSL would, in the terminal


class Server(uvicorn.Server):
    """`retire` is awaited while connections are still taken, and then `leave` before sockets are closed: uvicorn's own
    way is to cut live sessions off with 1012."""

    def __init__(
        self, config: uvicorn.Config, retire: Callable[[], Awaitable[None]], leave: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(config)
        self._retire = retire
        self._leave = leave

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([])  # uvicorn's own listeners wait a minute for each TLS handshake
        loop = asyncio.get_running_loop()
        for listener in sockets or ():
            self.servers.append(await loop.create_server(self._made, sock=listener, backlog=self.config.backlog))
        gc.collect()
        gc.freeze()  # what is there by now stays: searching it for garbage costs 10 ms and more, again and again
        gc.set_threshold(10_000, 20, 50)
        _keep_freed_memory()

    def _made(self) -> asyncio.Protocol:
        kind = cast("type[http.HttpProtocol]", self.config.http_protocol_class)
        made = functools.partial(kind, self.config, self.server_state, self.lifespan.state)
        return Handshake(self.config.ssl, made) if self.config.ssl else made()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._unless_forced(self._retire)
        for server in self.servers:
            server.close()
        await self._unless_forced(self._leave)
        await super().shutdown(sockets)

    async def _unless_forced(self, step: Callable[[], Awaitable[None]]) -> None:
        """A second Ctrl-C ends the step."""
        taking = asyncio.ensure_future(step())
        while not (taking.done() or self.force_exit):
            await asyncio.wait([taking], timeout=0.1)
        taking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await taking


def _keep_freed_memory() -> None:
    """glibc gives freed blocks of 128 KiB and more back to the system: to map and clear them again takes two
    thirds of the time that an upload of 1 MiB takes to be sent on (mallopt(3))."""
    with contextlib.suppress(AttributeError):  # other C libraries do it their own way
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, KEPT)
        mallopt(M_TRIM_THRESHOLD, KEPT)
