"""GET /v1/realtime: who calls and from where is checked before the upgrade; then one conversation, one log line."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from compat.bridge import Bridge
from compat.bridge.limits import SessionLimits
from compat.catalogue import models
from compat.config.settings import Settings
from compat.endpoints import origins
from compat.endpoints.access_log import client_of, request_id_of
from compat.endpoints.auth import Caller, Gate
from compat.endpoints.live_session import Bounds, Disconnected, LiveSession
from compat.errors import CompatError, NotAuthenticated, ServiceUnavailable
from compat.observability.live_latency import TurnLatency
from compat.observability.metrics import Metrics
from compat.openai_api import secrets
from compat.openai_api.realtime.opening import Opening, opening
from compat.openai_api.realtime.patch import Patch
from compat.upstream.fallback import LiveFallback
from compat.upstream.shares import Shares
from compat.upstream.sockets import Sockets

log = logging.getLogger("compat.live")
WATCH = 2.0  # seconds between two looks at the keys


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """`configured` is what a client secret carries."""

    opening: Opening
    who: Caller
    configured: Patch | None = None


class Realtime:
    def __init__(
        self,
        settings: Settings,
        gate: Gate,
        service: Sockets | LiveFallback,
        secret: bytes,
        metrics: Metrics,
        bounds: Bounds | None = None,
        engine: str = "",
        memory: Shares | None = None,
    ) -> None:
        self._settings = settings
        self._gate = gate
        self._metrics = metrics
        self._service = service
        self._secret = secret
        self._bounds = bounds
        self._memory = memory
        self._engine = engine
        self._live: dict[LiveSession, asyncio.Task[Any] | None] = {}
        self._held: dict[LiveSession, Caller] = {}
        """Sessions that end with their key."""
        self._leaving = False

    async def live(self, socket: WebSocket) -> None:
        request_id = request_id_of(socket.headers)
        headers = {"x-request-id": request_id}
        try:
            admitted = await self._admit(socket)
        except CompatError as error:
            socket.state.entry.error = error.code
            log.info("refused", extra={"fields": {"request_id": request_id, "error": error.code}})
            await socket.send_denial_response(JSONResponse(error.body(), error.status, error.headers() | headers))
            return
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await socket.accept(admitted.opening.subprotocol, raw)
        await self._converse(socket, admitted, request_id)

    async def leave(self) -> None:
        """The server stops: returns when every session has had its grace and its goodbye."""
        self._leaving = True
        for conversation in self._live:
            conversation.leave(self._settings.grace)
        await asyncio.gather(*(asyncio.wait([task]) for task in self._live.values() if task is not None))

    async def watch(self) -> None:
        """Ends the sessions of keys that were removed, for as long as the server runs."""
        reason = NotAuthenticated("The key that opened this session was removed.")
        while True:
            await asyncio.sleep(WATCH)
            for conversation, who in list(self._held.items()):
                if not self._gate.holds(who, "realtime"):
                    del self._held[conversation]
                    conversation.leave(self._settings.grace, reason)

    # --- at the upgrade ---------------------------------------------------------------------------------------------

    async def _admit(self, socket: WebSocket) -> Admitted:
        """Raises CompatError."""
        if self._leaving:
            raise ServiceUnavailable("This server is shutting down.", retry_after=1.0)
        # Browsers do not ask before they open a WebSocket.
        if (origin := socket.headers.get("origin")) is not None:
            origins.check(origin, socket.headers.get("host", ""), self._settings.cors_origins)
        said = opening(socket.query_params, socket.headers, socket.scope["subprotocols"])
        key = said.credential or ""
        if self._gate.is_secret(key):
            carried = secrets.read(key, secret=self._secret, now=time.time())
            who, configured = self._gate.issuer(carried.issuer), carried.session
        else:
            who, configured = self._gate.known(key, "realtime"), None
        await self._gate.admit(socket, who)
        return Admitted(opening=said, who=who, configured=configured)

    # --- the session ------------------------------------------------------------------------------------------------

    async def _converse(self, socket: WebSocket, admitted: Admitted, request_id: str) -> None:
        started = time.perf_counter()
        bridge = self._bridge(admitted)
        caller, key = _SocketTransport(socket), admitted.who.key
        conversation = LiveSession(bridge, caller, self._service, key, self._bounds, self._memory)
        self._live[conversation] = asyncio.current_task()
        self._held[conversation] = admitted.who
        try:
            await conversation.run()
        except Exception as exc:
            log.exception("a session failed", exc_info=exc, extra={"fields": {"request_id": request_id}})
            with contextlib.suppress(Disconnected):
                await caller.close(1011, "This server failed.")
        finally:
            del self._live[conversation]
            self._held.pop(conversation, None)
            if bridge.completions:
                self._gate.prove(admitted.who)
            line = {
                "request_id": request_id,
                "client": client_of(socket.scope),
                "caller": admitted.who.name,
                "model": bridge.model,
                "dialect": admitted.opening.dialect,
                "audio_seconds": round(bridge.seconds, 3),
                "seconds": round(time.perf_counter() - started, 1),
                "items": bridge.completions,
                "corrections": bridge.corrections,
                "reconnections": bridge.reconnections,
                "code": conversation.code,
            }
            self._metrics.session(line)
            log.info("session", extra={"fields": line})

    def _bridge(self, admitted: Admitted) -> Bridge:
        return Bridge(
            admitted.opening,
            resolve=self._resolve,
            ids=_identifiers(),
            expires_at=int(time.time() + self._settings.max_session),
            limits=SessionLimits(longest=self._settings.max_session, grace=self._settings.grace),
            configured=admitted.configured,
            spread=random.random(),  # noqa: S311 - jitter, not a secret
            on_event=TurnLatency(self._metrics).told,
            engine=self._engine,
        )

    def _resolve(self, name: str) -> str:
        return models.live(name, region=self._settings.short_region, aliases=self._settings.aliases)


def _identifiers() -> Callable[[str], str]:
    """Identifiers as long as OpenAI's that no other session gives."""
    session, count = uuid.uuid4().hex[:16], itertools.count(1)
    return lambda kind: f"{kind}_{session}{next(count):08x}"


class _SocketTransport:
    """A WebSocket as a Transport."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def read(self) -> str | bytes:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise Disconnected(message.get("code", 1006))
        text: str | None = message.get("text")
        frame: str | bytes = message["bytes"] if text is None else text
        return frame

    async def write(self, text: str) -> None:
        with _closing():
            await self._socket.send({"type": "websocket.send", "text": text})

    async def close(self, code: int, reason: str) -> None:
        with _closing():
            await self._socket.close(code, reason)


@contextlib.contextmanager
def _closing() -> Iterator[None]:
    try:
        yield
    except (WebSocketDisconnect, RuntimeError) as exc:  # RuntimeError: the socket was closed meanwhile
        raise Disconnected(1006) from exc
