"""Ephemeral client keys (`ek_…`) for realtime sessions.

A key is signed and carries the configuration of the session and its own expiry time. Nothing is stored: any replica
with the same secret can verify the key.

    ek_ + base64url( HMAC-SHA256 of the rest (32 bytes) · 0 or 1: whether deflated · JSON {"e", "n", "s", "i"} )

Requests and defaults follow OpenAI's OpenAPI document, 2026-08 (RealtimeCreateClientSecretRequest,
RealtimeTranscriptionSessionCreateResponse).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import zlib
from typing import Annotated, Any, Final, Literal

import msgspec

from compat.errors import BadRequest, NotAuthenticated
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.realtime.unread import unread
from compat.openai_api.translations.session import TranslationPatch

PREFIX: Final = "ek_"
DEFAULT_SECONDS: Final = 600
LONGEST: Final = 6000  # characters of a key, which must fit one header line
_COMPRESS_FROM: Final = 300  # bytes of JSON
_MAC: Final = hashlib.sha256().digest_size


class ExpiresAfter(msgspec.Struct, frozen=True, kw_only=True):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, msgspec.Meta(ge=10, le=7200)] = DEFAULT_SECONDS


class ClientSecretRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /v1/realtime/client_secrets."""

    expires_after: ExpiresAfter | None = None
    session: Patch | None = None

    def patch(self, raw: dict[str, Any]) -> Patch:
        """Return the session's configuration, with the unknown fields of the JSON it was decoded from: those of the
        session, and those beside it, such as a session without the field `session` around it."""
        patch = (self.session or Patch()).with_unread(raw.pop("session", None))
        beside = unread(raw, ClientSecretRequest)
        return msgspec.structs.replace(patch, type=patch.type or "realtime", unread=beside | patch.unread)

    @property
    def seconds(self) -> int:
        return self.expires_after.seconds if self.expires_after else DEFAULT_SECONDS


class TranslationSecretRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /v1/realtime/translations/client_secrets."""

    expires_after: ExpiresAfter | None = None
    session: TranslationPatch

    def patch(self, raw: dict[str, Any]) -> TranslationPatch:
        """Return the session's configuration, with the unknown fields of the JSON it was decoded from, as above."""
        patch = self.session.with_unread(raw.pop("session"))
        return msgspec.structs.replace(patch, unread=unread(raw, TranslationSecretRequest) | patch.unread)

    @property
    def seconds(self) -> int:
        return self.expires_after.seconds if self.expires_after else DEFAULT_SECONDS


class TranscriptionSessionRequest(Patch, frozen=True, kw_only=True):
    """The body of POST /v1/realtime/transcription_sessions: the session and the lifetime of its client secret."""

    class Secret(msgspec.Struct, frozen=True, kw_only=True):
        expires_at: ExpiresAfter | None = None

    client_secret: Secret | None = None

    @property
    def seconds(self) -> int:
        expires_after = self.client_secret.expires_at if self.client_secret else None
        return expires_after.seconds if expires_after else DEFAULT_SECONDS


class Carried(msgspec.Struct, frozen=True, omit_defaults=True):
    """The payload of a key. `issuer` is the client that requested the key; sessions opened with it count as its own.
    With `translation`, it opens sessions of /v1/realtime/translations, and no others."""

    expires_at: int = msgspec.field(name="e")
    nonce: bytes = msgspec.field(name="n")
    session: Patch = msgspec.field(name="s")
    issuer: str = msgspec.field(name="i", default="anyone")
    translation: TranslationPatch | None = msgspec.field(name="t", default=None)


def issue(
    session: Patch | TranslationPatch, *, secret: bytes, expires_at: int, nonce: bytes, issuer: str = "anyone"
) -> str:
    """Return a key that opens sessions configured by `session` until `expires_at` (seconds since the epoch).

    Raises BadRequest if the configuration is too long for a header.
    """
    if isinstance(session, TranslationPatch):
        carried = Carried(expires_at, nonce, Patch(), issuer, session)
    else:
        carried = Carried(expires_at, nonce, session, issuer)
    json = msgspec.json.encode(carried)
    body = b"\1" + zlib.compress(json, 9) if len(json) >= _COMPRESS_FROM else b"\0" + json
    key = PREFIX + base64.urlsafe_b64encode(_mac(secret, body) + body).rstrip(b"=").decode()
    if len(key) > LONGEST:
        raise BadRequest(
            "This configuration is too long for a client secret: shorten the prompt, or send it in session.update.",
            param="session",
        )
    return key


def read(key: str, *, secret: bytes, now: float) -> Carried:
    """Verify a key and return its payload. Raises NotAuthenticated if it is forged, altered or expired."""
    carried = _carried(key, secret)
    if carried is None:
        raise NotAuthenticated("Incorrect client secret provided.")
    if now >= carried.expires_at:
        raise NotAuthenticated("This client secret has expired.", code="client_secret_expired")
    return carried


def _carried(key: str, secret: bytes) -> Carried | None:
    coded = key.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    mac, body = raw[:_MAC], raw[_MAC:]
    if not hmac.compare_digest(mac, _mac(secret, body)):
        return None
    return msgspec.json.decode(zlib.decompress(body[1:]) if body[:1] == b"\1" else body[1:], type=Carried)


def _mac(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(secret, b"qwen-asr-compat client secret\0" + body, "sha256")
