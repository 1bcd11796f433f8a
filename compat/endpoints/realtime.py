"""GET /v1/realtime and /v1/realtime/translations: authentication and origin checks before the upgrade, then one live
session with one log entry."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from compat import languages
from compat.bridge import Bridge
from compat.bridge.interpreter import Interpreter
from compat.bridge.limits import SessionLimits
from compat.catalogue import translators
from compat.config.principal import Principal
from compat.config.settings import Settings
from compat.endpoints import origins
from compat.endpoints.access_log import client_of, request_id_of
from compat.endpoints.auth import Gate
from compat.endpoints.errands import Errands
from compat.endpoints.live_models import live_model, live_presets, live_translator, preferred_model
from compat.endpoints.live_session import Bounds, LiveSession
from compat.endpoints.live_usage import BilledTokens, SessionUsage
from compat.endpoints.socket_transport import SocketTransport
from compat.endpoints.transport import ClientTransport, Disconnected
from compat.errors import INTERNAL_ERROR, BadRequest, CompatError, Forbidden, NotAuthenticated, ServiceUnavailable
from compat.observability.metrics import Metrics, TurnLatency
from compat.openai_api import secrets
from compat.openai_api.fields import single_values
from compat.openai_api.realtime.opening import Opening, opening, translating
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.realtime.server_events import ServerEvent
from compat.openai_api.realtime.session import AudioFormat, Session, apply
from compat.openai_api.translations.session import TranslationPatch, TranslationSession
from compat.openai_api.translations.session import apply as apply_translation
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
    """An accepted handshake.

    `configured` holds the configuration of the client secret and that of a call's form. `translation` is the
    configuration of a session that translates. `allowance` limits the audio, if the client's key has a bound.
    """

    opening: Opening
    principal: Principal
    configured: tuple[Patch, ...] = ()
    translation: TranslationSession | None = None
    allowance: Allowance | None = None


class Realtime:
    def __init__(
        self,
        settings: Settings,
        gate: Gate,
        service: Sockets | LiveFallback,
        secret: bytes,
        metrics: Metrics,
        errands: Errands,
        accounting: Accounting,
        bounds: Bounds | None = None,
        engine: str = "",
        memory: Shares | None = None,
    ) -> None:
        self._settings = settings
        self._gate = gate
        self._metrics = metrics
        self._service = service
        self._errands = errands
        self._secret = secret
        self._accounting = accounting
        self._bounds = bounds
        self._memory = memory
        self._engine = engine
        self._live: dict[LiveSession, asyncio.Task[Any] | None] = {}
        self._revocable: dict[LiveSession, Principal] = {}
        """Sessions that end when their key is removed."""
        self._usage: set[SessionUsage] = set()
        self._leaving = False

    async def live(self, socket: WebSocket) -> None:
        """Serve a handshake: refuse it with an HTTP error, or accept it and run the session until it ends."""
        await self._serve(socket, self._admit)

    async def translate(self, socket: WebSocket) -> None:
        """Serve a handshake for a session that translates."""
        await self._serve(socket, self._admit_translation)

    async def _serve(self, socket: WebSocket, admit: Callable[[WebSocket], Awaitable[Admitted]]) -> None:
        request_id = request_id_of(socket.headers)
        headers = {"x-request-id": request_id}
        try:
            admitted = await admit(socket)
        except CompatError as error:
            socket.state.entry.error = error.code
            log.info("refused", extra={"fields": {"request_id": request_id, "error": error.code}})
            await socket.send_denial_response(JSONResponse(error.body(), error.status, error.headers() | headers))
            return
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        socket.state.party = admitted.principal.party  # server/websocket counts the memory of long messages against it
        caller = SocketTransport(socket)
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
            for session, principal in list(self._revocable.items()):
                if not self._gate.has_scope(principal, "realtime"):
                    del self._revocable[session]
                    session.leave(self._settings.grace, reason)
            for usage in self._usage:
                usage.report()

    # --- at the upgrade ---------------------------------------------------------------------------------------------

    async def _admit(self, socket: WebSocket) -> Admitted:
        """Check origin, credentials and bounds. Raises CompatError."""
        self.check(socket)
        if socket.query_params.get("call_id"):
            raise BadRequest("Calls by WebRTC are off: set COMPAT_WEBRTC_PORT.", param="call_id")
        opened = opening(single_values(socket.query_params.multi_items()), socket.headers, socket.scope["subprotocols"])
        admitted = self.identify(opened, socket)
        await self._gate.admit(socket, admitted.principal)
        return await self.with_allowance(admitted)

    async def _admit_translation(self, socket: WebSocket) -> Admitted:
        self.check(socket)
        opened = translating(
            single_values(socket.query_params.multi_items()), socket.headers, socket.scope["subprotocols"]
        )
        principal, patch = self.identify_translator(opened, socket)
        session = self.translation(opened.model, patch)
        await self._gate.admit(socket, principal)
        return await self.with_allowance(Admitted(opening=opened, principal=principal, translation=session))

    def check(self, connection: HTTPConnection) -> None:
        """Check the origin. Raises Forbidden, or ServiceUnavailable during shutdown."""
        if self._leaving:
            raise ServiceUnavailable("This server is shutting down.", retry_after=1.0)
        # Browsers open WebSockets and post forms across origins without a CORS preflight.
        if (origin := connection.headers.get("origin")) is not None:
            origins.check(origin, connection.headers.get("host", ""), self._settings.cors_origins)

    def translation(self, model: str | None, *patches: TranslationPatch | None) -> TranslationSession:
        """Return the initial configuration of a session that translates. Raises CompatError."""
        given = [patch for patch in patches if patch is not None]
        named = model or next((patch.model for patch in reversed(given) if patch.model), None)
        if named is None:
            raise BadRequest("model is missing: use gpt-realtime-translate.", param="model")
        if self._engine and self._engine not in languages.ENGINES:
            raise BadRequest(
                "Translation needs DashScope, which COMPAT_ENGINE=openai replaces: use /v1/realtime.", param="model"
            )
        session = TranslationSession(
            model=named,
            native=live_translator(named, self._settings),
            may_speak=self._settings.translate_audio,
            engine=self._engine,
        )
        for patch in given:
            session = apply_translation(session, msgspec.structs.replace(patch, model=None))
        return session

    def identify_translator(
        self, opened: Opening, connection: HTTPConnection
    ) -> tuple[Principal, TranslationPatch | None]:
        """Return the caller of a session that translates, and the configuration in its client secret. Raises
        CompatError."""
        principal, carried = self._caller(opened, connection)
        if carried and carried.translation is None:
            raise Forbidden("This client secret is for /v1/realtime: request one for translations.")
        return principal, carried.translation if carried else None

    def caller(self, opened: Opening, connection: HTTPConnection) -> Principal:
        """Return the caller, whatever its client secret is for. Raises CompatError."""
        return self._caller(opened, connection)[0]

    def identify(self, opened: Opening, connection: HTTPConnection) -> Admitted:
        """Return the caller with the configuration in its client secret. Raises CompatError."""
        principal, carried = self._caller(opened, connection)
        if carried and carried.translation:
            raise Forbidden("This client secret is for /v1/realtime/translations.")
        preferred_model(self._settings, principal)  # the key file may name a model that takes no live speech
        return Admitted(opening=opened, principal=principal, configured=(carried.session,) if carried else ())

    def _caller(self, opened: Opening, connection: HTTPConnection) -> tuple[Principal, secrets.Carried | None]:
        """Return the caller, and what its client secret carries. Raises CompatError."""
        key = opened.credential or ""
        if not self._gate.is_secret(key):
            return self._gate.known(key, "realtime", connection), None
        carried = secrets.read(key, secret=self._secret, now=time.time())
        return self._gate.issuer(carried.issuer, connection), carried

    async def with_allowance(self, admitted: Admitted) -> Admitted:
        """Open an allowance if the key has a bound. Close it after the session. Raises QuotaExceeded."""
        if not admitted.principal.bounded:
            return admitted
        allowance = Allowance(self._accounting, admitted.principal)
        await allowance.open()
        return msgspec.structs.replace(admitted, allowance=allowance)

    def with_configuration(self, admitted: Admitted, patch: Patch) -> Admitted:
        """Add the configuration that comes with a call's offer. Raises CompatError."""
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
        """Run a session until it ends, and log it.

        `client` is the caller's address. `begin` is called with the session before it runs. `track` is the format of a
        call's audio.
        """
        started = time.perf_counter()
        billed = BilledTokens()
        bridge = self._bridge(admitted, billed, track)
        principal = admitted.principal
        service, errands = self._service, self._errands
        allowance = admitted.allowance
        session = LiveSession(bridge, caller, service, principal, errands, self._bounds, self._memory, allowance)
        usage = SessionUsage(self._metrics, principal, bridge, billed)
        self._usage.add(usage)
        self._live[session] = asyncio.current_task()
        self._revocable[session] = principal
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
            self._revocable.pop(session, None)
            if bridge.completions:
                self._gate.prove(principal)
            fields = {
                "request_id": request_id,
                "client": client,
                "caller": principal.name,
                "model": bridge.model,
                "dialect": "translation" if admitted.translation else admitted.opening.dialect,
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
        def sent(event: ServerEvent) -> None:
            latency.sent(event)
            billed.sent(event)

        ids, expires_at = _identifiers(), int(time.time() + self._settings.max_session)
        translation = admitted.translation
        translator = translation.native if translation and translators.find(translation.native) else None
        latency = TurnLatency(self._metrics, "translation" if translator else "live")
        return Bridge(
            admitted.opening if translation is None else Opening(),
            resolve=lambda name: live_model(name, self._settings, admitted.principal),
            ids=ids,
            expires_at=expires_at,
            limits=SessionLimits(longest=self._settings.max_session, grace=self._settings.grace),
            configured=admitted.configured,
            spread=random.SystemRandom().random(),
            on_event=sent,
            engine=self._engine,
            preferred=translator or preferred_model(self._settings, admitted.principal),
            fallback=isinstance(self._service, LiveFallback),
            advise=self._advise,
            presets=lambda name: live_presets(name, self._settings, admitted.principal),
            track=track,
            face=Interpreter(translation, ids, expires_at, plays=track is not None) if translation else None,
        )

    def _advise(self, error: CompatError, model: str) -> CompatError:
        """Name the client's field and the setting to check in a refusal of the service."""
        advice = advised(error, model, self._settings.live_root)
        named = advice.param != "model" or translators.find(model)
        return advice if named else type(advice)(advice.message, param=MODEL, code=advice.code)


def _identifiers() -> Callable[[str], str]:
    """Return a function that generates the ids of one session: unique across sessions, and as long as OpenAI's."""
    session, count = uuid.uuid4().hex[:16], itertools.count(1)
    return lambda kind: f"{kind}_{session}{next(count):08x}"
