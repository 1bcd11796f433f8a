"""Who is calling, and with which DashScope key their work is done."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from compat.errors import NotAuthenticated
from compat.openai_api import secrets
from compat.settings import Settings


class Caller(msgspec.Struct, frozen=True):
    """`key` is DashScope's: the server's own, or the caller's when keys are passed on. `tenant` tells those who call
    apart without telling their keys."""

    key: str
    tenant: str


def caller(settings: Settings, headers: Mapping[str, str]) -> Caller:
    """Raises NotAuthenticated. With neither keys nor pass-through everybody may call (`serve` then binds loopback)."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    token = token.strip() if scheme.lower() == "bearer" else ""
    if token.startswith(secrets.PREFIX) and token not in settings.api_keys:
        raise NotAuthenticated("A client secret opens realtime sessions and nothing else.")
    return known(settings, token)


def known(settings: Settings, token: str) -> Caller:
    """The same for a key that came another way, as in a WebSocket's subprotocol."""
    if settings.api_keys:
        # Every key is compared, so that the time taken does not tell which one came close.
        matches = [hmac.compare_digest(token.encode(), key.encode()) for key in settings.api_keys]
        if not any(matches):
            raise NotAuthenticated(_reason(token))
    elif settings.pass_key:
        if not token:
            raise NotAuthenticated(_reason(token))
        return Caller(key=token, tenant=_tenant(token))
    return Caller(key=settings.dashscope_api_key or "", tenant=_tenant(token))


def _tenant(token: str) -> str:
    return hashlib.sha256(f"tenant {token}".encode()).hexdigest()


def _reason(token: str) -> str:
    if not token:
        return "No API key was sent: send the header Authorization: Bearer YOUR_KEY."
    return "Incorrect API key provided."
