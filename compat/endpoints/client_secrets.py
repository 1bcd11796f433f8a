"""POST /v1/realtime/client_secrets, /v1/realtime/transcription_sessions and /v1/realtime/translations/client_secrets:
short-lived keys for browsers and apps."""

from __future__ import annotations

import os
import time
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from compat.bridge.settings import applied
from compat.config.principal import Principal
from compat.config.settings import Settings
from compat.endpoints.auth import Gate
from compat.endpoints.bodies import read_whole
from compat.endpoints.live_models import live_model, preferred_model
from compat.endpoints.realtime import Realtime
from compat.errors import CompatError, Forbidden
from compat.openai_api import secrets
from compat.openai_api.realtime.opening import Dialect, Opening
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.realtime.session import Session, apply
from compat.openai_api.realtime.views import view
from compat.openai_api.shapes import decoded
from compat.openai_api.translations.session import TranslationPatch
from compat.openai_api.translations.session import view as translation_view

LARGEST = 256 << 10  # bytes of a request body
NO_SECRETS = "no_client_secrets"


class ClientSecretEndpoints:
    def __init__(self, settings: Settings, gate: Gate, realtime: Realtime, secret: bytes, engine: str) -> None:
        self._settings = settings
        self._realtime = realtime
        self._gate = gate
        self._secret = secret
        self._engine = engine

    async def client_secret(self, request: Request) -> Response:
        """Return the GA response: {"value", "expires_at", "session"}. Raises CompatError."""
        principal = self._principal(request)
        parsed = decoded(body := await read_whole(request, LARGEST, "session"), secrets.ClientSecretRequest)
        patch = parsed.patch(decoded(body, dict[str, Any]))
        value, expires_at, session = self._issued(patch, parsed.seconds, "ga", principal)
        return JSONResponse({"value": value, "expires_at": expires_at, "session": session})

    async def transcription_session(self, request: Request) -> Response:
        """Return the beta response: the session, including `client_secret`. Raises CompatError."""
        principal = self._principal(request)
        parsed = decoded(body := await read_whole(request, LARGEST, "session"), secrets.TranscriptionSessionRequest)
        patch = msgspec.structs.replace(parsed.with_unread(decoded(body, dict[str, Any])), type="transcription")
        try:
            value, expires_at, session = self._issued(patch, parsed.seconds, "beta", principal)
        except CompatError as error:  # the beta body is the session itself, so `param` has no prefix
            param = (error.param or "").removeprefix("session").removeprefix(".") or None
            raise type(error)(error.message, param=param, code=error.code) from error
        return JSONResponse({**session, "client_secret": {"value": value, "expires_at": expires_at}})

    async def translation(self, request: Request) -> Response:
        """Return {"value", "expires_at", "session"} for a session that translates. Raises CompatError."""
        principal = self._principal(request)
        parsed = decoded(body := await read_whole(request, LARGEST, "session"), secrets.TranslationSecretRequest)
        patch = parsed.patch(decoded(body, dict[str, Any]))
        expires_at, nonce = int(time.time()) + parsed.seconds, os.urandom(12)
        try:
            session = self._realtime.translation(patch.model, patch)
        except CompatError as error:
            raise type(error)(
                error.message, param="session.model" if error.param == "model" else error.param, code=error.code
            ) from error
        shown = translation_view(session, f"sess_{nonce.hex()}", expires_at)
        value = self._secret_of(patch, expires_at, nonce, principal)
        return JSONResponse({"value": value, "expires_at": expires_at, "session": msgspec.to_builtins(shown)})

    def _principal(self, request: Request) -> Principal:
        """Return the caller. Raises CompatError."""
        principal = self._gate.caller(request, "realtime")
        self._gate.enter(request, principal)
        return principal

    def _secret_of(self, patch: Patch | TranslationPatch, expires_at: int, nonce: bytes, principal: Principal) -> str:
        """Return the secret for a valid session. Raises Forbidden if secrets cannot be issued.

        An invalid session is refused before that: after a 403, a page may open a WebSocket with a key instead, which
        would not show what is wrong with the session.
        """
        if self._settings.pass_key and not self._gate.keyed:
            raise Forbidden(
                "Client secrets cannot be issued while callers' own DashScope keys are passed on (COMPAT_PASS_KEY): a "
                "secret would have to carry the key.",
                code=NO_SECRETS,
            )
        return secrets.issue(patch, secret=self._secret, expires_at=expires_at, nonce=nonce, issuer=principal.name)

    def _issued(
        self, patch: Patch, seconds: int, dialect: Dialect, principal: Principal
    ) -> tuple[str, int, dict[str, object]]:
        """Return the secret, its expiry (Unix seconds), and the session in this dialect. Raises CompatError."""
        expires_at = int(time.time()) + seconds
        nonce = os.urandom(12)
        native = preferred_model(self._settings, principal)
        session = Session(native=native, engine=self._engine)
        session = apply(session, patch, lambda name: live_model(name, self._settings, principal))
        shown = view(session, Opening(dialect=dialect), f"sess_{nonce.hex()}", expires_at, applied(session))
        value = self._secret_of(patch, expires_at, nonce, principal)
        return value, expires_at, msgspec.to_builtins(shown)
