"""Ephemeral keys (`ek_…`): signed, and nothing is stored. Any replica that knows the secret can read what another
issued: the session's configuration and until when a session may be opened with it.

    ek_ + base64url( HMAC-SHA256 of the rest (32 bytes) · 0 or 1: whether deflated · JSON {"e", "n", "s", "i"} )

Pure: the time, the nonce and the secret are arguments. Requests and defaults: OpenAI's OpenAPI document, 2026-08
(RealtimeCreateClientSecretRequest, RealtimeTranscriptionSessionCreateResponse).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import zlib
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from compat.errors import BadRequest, NotAuthenticated
from compat.openai_api import halves
from compat.openai_api.realtime.patch import Patch

PREFIX: Final = "ek_"
DEFAULT_SECONDS: Final = 600
LONGEST: Final = 6000  # characters of a key: it has to fit into one header line
_COMPRESS_FROM: Final = 300  # bytes of JSON
_MAC: Final = hashlib.sha256().digest_size


class ExpiresAfter(msgspec.Struct, frozen=True, kw_only=True):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, msgspec.Meta(ge=10, le=7200)] = DEFAULT_SECONDS


class ClientSecretRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /v1/realtime/client_secrets."""

    expires_after: ExpiresAfter | None = None
    session: Patch | None = None

    @property
    def seconds(self) -> int:
        return self.expires_after.seconds if self.expires_after else DEFAULT_SECONDS


class TranscriptionSessionRequest(Patch, frozen=True, kw_only=True):
    """The body of POST /v1/realtime/transcription_sessions: the session, and how long its secret lasts."""

    class Secret(msgspec.Struct, frozen=True, kw_only=True):
        expires_at: ExpiresAfter | None = None

    client_secret: Secret | None = None

    @property
    def seconds(self) -> int:
        asked = self.client_secret.expires_at if self.client_secret else None
        return asked.seconds if asked else DEFAULT_SECONDS


class Carried(msgspec.Struct, frozen=True, omit_defaults=True):
    """`issuer` names the caller that requested it: what is done with it counts as that caller's."""

    expires_at: int = msgspec.field(name="e")
    nonce: bytes = msgspec.field(name="n")
    session: Patch = msgspec.field(name="s")
    issuer: str = msgspec.field(name="i", default="anyone")


T = TypeVar("T")
_PATH = re.compile(r" - at `\$\.?(.*?)(?:\[\.\.\.\])?`$")


def request(body: bytes, shape: type[T]) -> T:
    """A request's body; an empty one asks for every default. Raises BadRequest with the path of what is wrong."""
    try:
        return msgspec.json.decode(body.strip() or b"{}", type=shape)
    except msgspec.ValidationError as error:
        path = _PATH.search(str(error))
        raise BadRequest(f"{str(error).partition(' - at ')[0]}.", param=path[1] or None if path else None) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if (whole := halves.replaced(body.decode("latin-1")).encode("latin-1")) != body:
            return request(whole, shape)
        raise BadRequest("The request's body is not valid JSON.", code="invalid_json") from error
    except RecursionError as error:
        raise BadRequest("The request's body is nested too deeply.", code="invalid_json") from error


def issue(session: Patch, *, secret: bytes, expires_at: int, nonce: bytes, issuer: str = "anyone") -> str:
    """A key that opens sessions configured by `session` until `expires_at` (seconds since the epoch).

    Raises BadRequest for a configuration that is too long to travel in a header.
    """
    json = msgspec.json.encode(Carried(expires_at, nonce, session, issuer))
    body = b"\1" + zlib.compress(json, 9) if len(json) >= _COMPRESS_FROM else b"\0" + json
    key = PREFIX + base64.urlsafe_b64encode(_mac(secret, body) + body).rstrip(b"=").decode()
    if len(key) > LONGEST:
        raise BadRequest(
            "This configuration is too long to travel in a client secret: shorten the prompt, or send it in "
            "session.update.",
            param="session",
        )
    return key


def read(key: str, *, secret: bytes, now: float) -> Carried:
    """What a key carries. Raises NotAuthenticated for one that is forged, altered or too old."""
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
