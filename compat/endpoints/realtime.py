"""GET /v1/realtime: authentication and origin checks before the upgrade, then one live session with one log entry."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from compat.bridge import Bridge
from compat.bridge.limits import SessionLimits
from compat.catalogue import models
from compat.catalogue.presets import presets
from compat.config.principal import Principal
from compat.config.settings import Settings
from compat.endpoints import origins
from compat.endpoints.access_log import client_of, request_id_of
from compat.endpoints.auth import Gate
from compat.endpoints.live_session import Bounds, LiveSession, VocabularyCheck
from compat.endpoints.transport import ClientTransport, Disconnected
from compat.errors import INTERNAL_ERROR, BadRequest, CompatError, NotAuthenticated, ServiceUnavailable
from compat.observability.metrics import Metrics, TurnLatency
from compat.openai_api import secrets
from compat.openai_api.realtime.opening import Opening, opening
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.realtime.server_events import Completed, ServerEvent, TokenUsage
from compat.openai_api.realtime.session import AudioFormat, Session, apply
from compat.spending.accounting import Accounting
from compat.spending.allowance import Allowance
from compat.upstream.advice import advised
from compat.upstream.fallback import LiveFallback
from compat.upstream.shares import Shares
from compat.upstream.sockets import Sockets

log = logging.getLogger("compat.live")
MODEL = "session.audio.input.transcription.model"
WATCH = 2.0  # seconds between two checks for removed keys


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted handshake. `configured` is the session configuration: of a client secret, and of a call's form.
    `allowance` is the sound that the client may send if its key has a bound."""

    opening: Opening
    principal: Principal
    configured: tuple[Patch, ...] = ()
    allowance: Allowance | None = None


class BilledTokens:
    """Adds up the tokens of input and output of a session. `tokens` is None if the model is not billed by the token."""

    def __init__(self) -> None:
        self.tokens: tuple[int, int] | None = None
        self._counted = 0, 0

    def sent(self, event: ServerEvent) -> None:
        if isinstance(event, Completed) and isinstance(event.usage, TokenUsage):
            inputs, outputs = self.tokens or (0, 0)
            self.tokens = inputs + event.usage.input_tokens, outputs + event.usage.output_tokens

    def new(self) -> tuple[int, int] | None:
        """Return the tokens since the last call."""
        if self.tokens is None:
            return None
        (inputs, outputs), (before, after) = self.tokens, self._counted
        self._counted = self.tokens
        return inputs - before, outputs - after


class SessionUsage:
    """Counts the sound of a session while it runs: each day has its own, and a killed process loses little."""

    def __init__(self, metrics: Metrics, principal: Principal, bridge: Bridge, billed: BilledTokens) -> None:
        self._metrics = metrics
        self._principal = principal
        self._bridge = bridge
        self._billed = billed
        self._seconds = 0.0

    def report(self, *, last: bool = False) -> None:
        """Count what came since the last call. The tokens may follow later; at the `last` call they are all known."""
        seconds, tokens = self._bridge.seconds, self._billed.new()
        requests = 1 if seconds and not self._seconds else 0
        tokens = tokens if tokens or last else (0, 0)
        self._metrics.audio(self._principal, self._bridge.model, seconds - self._seconds, tokens, requests=requests)
        self._seconds = seconds


class Realtime:
    def __init__(
        self,
        settings: Settings,
        gate: Gate,
        service: Sockets | LiveFallback,
        secret: bytes,
        metrics: Metrics,
        check_vocabulary: VocabularyCheck,
        accounting: Accounting,
        bounds: Bounds | None = None,
        engine: str = "",
        memory: Shares | None = None,
    ) -> None:
        self._settings = settings
        self._gate = gate
        self._metrics = metrics
        self._service = service
        self._check_vocabulary = check_vocabulary
        self._secret = secret
        self._accounting = accounting
        self._bounds = bounds
        self._memory = memory
        self._engine = engine
        self._live: dict[LiveSession, asyncio.Task[Any] | None] = {}
        self._held: dict[LiveSession, Principal] = {}
        """Sessions that end when their key is removed."""
        self._usage: set[SessionUsage] = set()
        self._leaving = False

    async def live(self, socket: WebSocket) -> None:
        """Serve a handshake: refuse it with an HTTP error, or accept it and run the session until it ends."""
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
        socket.state.party = admitted.principal.party  # server/websocket counts the memory of long messages against it
        caller = _SocketTransport(socket)
        try:
            await socket.accept(admitted.opening.subprotocol, raw)
            await self.run(caller, admitted, request_id, client_of(socket.scope), caller.begin)
        finally:
            if admitted.allowance:
                await admitted.allowance.close()

    async def leave(self) -> None:
        """End all sessions because the server shuts down. Return when every session has been closed."""
        self._leaving = True
        for session in self._live:
            session.leave(self._settings.grace)
        await asyncio.gather(*(asyncio.wait([task]) for task in self._live.values() if task is not None))

    async def watch(self) -> None:
        """End the sessions of removed keys, and count the sound of all sessions; runs until cancelled."""
        reason = NotAuthenticated("The key that opened this session was removed.")
        while True:
            await asyncio.sleep(WATCH)
            for session, principal in list(self._held.items()):
                if not self._gate.has_scope(principal, "realtime"):
                    del self._held[session]
                    session.leave(self._settings.grace, reason)
            for usage in self._usage:
                usage.report()

    # --- at the upgrade ---------------------------------------------------------------------------------------------

    async def _admit(self, socket: WebSocket) -> Admitted:
        """Check origin, credentials and bounds. Raise CompatError."""
        if self._leaving:
            raise ServiceUnavailable("This server is shutting down.", retry_after=1.0)
        # Browsers open WebSockets across origins without a CORS preflight.
        if (origin := socket.headers.get("origin")) is not None:
            origins.check(origin, socket.headers.get("host", ""), self._settings.cors_origins)
        if socket.query_params.get("call_id"):
            raise BadRequest("Calls by WebRTC are off: set COMPAT_WEBRTC_PORT.", param="call_id")
        opened = opening(socket.query_params, socket.headers, socket.scope["subprotocols"])
        admitted = self.identify(opened, socket)
        await self._gate.admit(socket, admitted.principal)
        return await self.allowed(admitted)

    def identify(self, opened: Opening, connection: HTTPConnection) -> Admitted:
        """Return the caller with its client secret's configuration. Raise CompatError."""
        key = opened.credential or ""
        if self._gate.is_secret(key):
            issued = secrets.read(key, secret=self._secret, now=time.time())
            principal, configured = self._gate.issuer(issued.issuer, connection), [issued.session]
        else:
            principal, configured = self._gate.known(key, "realtime", connection), []
        preferred_model(self._settings, principal)  # the key file may name a model that takes no live speech
        return Admitted(opening=opened, principal=principal, configured=tuple(configured))

    async def allowed(self, admitted: Admitted) -> Admitted:
        """Open the allowance of a key with a bound; to be closed after the session. Raise QuotaExceeded."""
        if not admitted.principal.bounded:
            return admitted
        allowance = Allowance(self._accounting, admitted.principal)
        await allowance.open()
        return msgspec.structs.replace(admitted, allowance=allowance)

    def configured(self, admitted: Admitted, patch: Patch) -> Admitted:
        """Add the configuration that comes with a call's offer. Raise CompatError."""
        native = preferred_model(self._settings, admitted.principal)
        session = Session(native=native, engine=self._engine)
        apply(session, patch, lambda name: live_model(name, self._settings, admitted.principal))
        return msgspec.structs.replace(admitted, configured=(*admitted.configured, patch))

    # --- the session ------------------------------------------------------------------------------------------------

    async def run(
        self,
        caller: ClientTransport,
        admitted: Admitted,
        request_id: str,
        client: str,
        begin: Callable[[LiveSession], object],
        track: AudioFormat | None = None,
    ) -> None:
        """Run a session until it ends, and log it. `client` is the caller's address. `begin` is called with the session
        first. `track`: the format of a call's audio."""
        started = time.perf_counter()
        billed = BilledTokens()
        bridge = self._bridge(admitted, billed, track)
        principal = admitted.principal
        service, check = self._service, self._check_vocabulary
        allowance = admitted.allowance
        session = LiveSession(bridge, caller, service, principal, check, self._bounds, self._memory, allowance)
        usage = SessionUsage(self._metrics, principal, bridge, billed)
        self._usage.add(usage)
        self._live[session] = asyncio.current_task()
        self._held[session] = principal
        begin(session)
        try:
            await session.run()
        except Exception as exc:
            log.exception("a session failed", exc_info=exc, extra={"fields": {"request_id": request_id}})
            with contextlib.suppress(Disconnected):
                await caller.close(1011, INTERNAL_ERROR)
        finally:
            del self._live[session]
            self._usage.remove(usage)
            usage.report(last=True)
            if allowance:
                allowance.used = bridge.seconds
            self._held.pop(session, None)
            if bridge.completions:
                self._gate.prove(principal)
            fields = {
                "request_id": request_id,
                "client": client,
                "caller": principal.name,
                "model": bridge.model,
                "dialect": admitted.opening.dialect,
                "audio_seconds": round(bridge.seconds, 3),
                "seconds": round(time.perf_counter() - started, 1),
                "items": bridge.completions,
                "corrections": bridge.corrections,
                "reconnections": bridge.reconnections,
                "code": session.code,
                **({"tokens": billed.tokens} if billed.tokens else {}),
                **caller.figures,
            }
            self._metrics.session(fields)
            log.info("session", extra={"fields": fields})

    def _bridge(self, admitted: Admitted, billed: BilledTokens, track: AudioFormat | None) -> Bridge:
        latency = TurnLatency(self._metrics)

        def sent(event: ServerEvent) -> None:
            latency.sent(event)
            billed.sent(event)

        return Bridge(
            admitted.opening,
            resolve=lambda name: live_model(name, self._settings, admitted.principal),
            ids=_identifiers(),
            expires_at=int(time.time() + self._settings.max_session),
            limits=SessionLimits(longest=self._settings.max_session, grace=self._settings.grace),
            configured=admitted.configured,
            spread=random.random(),  # noqa: S311 - jitter, not a secret
            on_event=sent,
            engine=self._engine,
            preferred=preferred_model(self._settings, admitted.principal),
            fallback=isinstance(self._service, LiveFallback),
            advise=self._advise,
            presets=lambda name: live_presets(name, self._settings, admitted.principal),
            track=track,
        )

    def _advise(self, error: CompatError, model: str) -> CompatError:
        """Name the client's field and the setting to check in a refusal of the service."""
        told = advised(error, model, self._settings.live_root)
        return told if told.param != "model" else type(told)(told.message, param=MODEL, code=told.code)


def live_model(name: str, settings: Settings, principal: Principal) -> str:
    """Return the DashScope id of the live model for a client's name. Raises CompatError."""
    preferred, region = principal.live_model or settings.live_model, settings.short_region
    return models.live(name, region=region, aliases=settings.aliases, preferred=preferred)


def live_presets(name: str, settings: Settings, principal: Principal) -> Mapping[str, tuple[str, ...]]:
    """Return the options that the operator's aliases set for a client's name, or for a client that names no model."""
    preferred, aliases = principal.live_model or settings.live_model, settings.aliases
    chosen = models.live_name(name or preferred, aliases, preferred)
    return {**presets(chosen, aliases), **presets(name, aliases)}


def preferred_model(settings: Settings, principal: Principal) -> str:
    """Return the DashScope id of the live model for a client that names none. Raises CompatError."""
    return live_model(principal.live_model or settings.live_model, settings, principal)


def _identifiers() -> Callable[[str], str]:
    """Return a function that generates the ids of one session: unique across sessions, and as long as OpenAI's."""
    session, count = uuid.uuid4().hex[:16], itertools.count(1)
    return lambda kind: f"{kind}_{session}{next(count):08x}"


class _SocketTransport:
    """A WebSocket as a Transport."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    @property
    def figures(self) -> Mapping[str, object]:
        return {}

    def begin(self, session: LiveSession) -> None:
        self._socket.state.take = session.take  # see server/websocket

    async def read(self) -> str | bytes:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise Disconnected(message.get("code", 1006))
        text: str | None = message.get("text")
        frame: str | bytes = message["bytes"] if text is None else text
        return frame

    def write_now(self, texts: Sequence[str]) -> bool:
        put = self._socket.scope["state"].get("put")  # see server/websocket
        return put is not None and put(texts)

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
    except (WebSocketDisconnect, RuntimeError) as exc:  # RuntimeError: the socket has already been closed
        raise Disconnected(1006) from exc
