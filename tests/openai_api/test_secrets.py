"""Ephemeral client keys: payload, expiry and signature, and validation of requests for them."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.errors import BadRequest, NotAuthenticated
from compat.openai_api import secrets
from compat.openai_api.realtime.patch import Patch
from compat.openai_api.shapes import decoded

SECRET, OTHER = b"a secret of sixteen", b"another of sixteen."
NONCE = bytes(12)
CONFIGURED = b"""{"type": "transcription", "audio": {"input": {"format": {"type": "audio/pcmu"}, "turn_detection": null,
"transcription": {"model": "whisper-1", "language": "de", "prompt": "PROMPT"},
"noise_reduction": {"type": "near_field"}}}}"""
PATCHES = [b"{}", b'{"turn_detection": {"type": "server_vad", "threshold": 0.3}}', CONFIGURED]


def patch(json: bytes) -> Patch:
    return msgspec.json.decode(json, type=Patch)


def issue(session: Patch, expires_at: int = 1000) -> str:
    return secrets.issue(session, secret=SECRET, expires_at=expires_at, nonce=NONCE)


@pytest.mark.parametrize("json", PATCHES)
def test_a_key_carries_its_session(json: bytes) -> None:
    key = issue(patch(json))

    assert key.startswith("ek_")
    assert key.removeprefix("ek_").replace("-", "").replace("_", "").isalnum()  # valid in a header without quoting
    assert patch(json) == secrets.read(key, secret=SECRET, now=999.9).session


def test_a_long_prompt_is_compressed() -> None:
    json = CONFIGURED.replace(b"PROMPT", b"names of towns and rivers, " * 400)

    key = issue(patch(json))

    assert len(key) < 1000
    assert patch(json) == secrets.read(key, secret=SECRET, now=0).session


def test_a_prompt_too_long_for_a_header_is_refused() -> None:
    json = CONFIGURED.replace(b"PROMPT", " ".join(str(number**5) for number in range(2000)).encode())

    with pytest.raises(BadRequest) as raised:
        issue(patch(json))

    assert "session" == raised.value.param


def test_an_expired_key_is_refused() -> None:
    with pytest.raises(NotAuthenticated) as raised:
        secrets.read(issue(Patch(), expires_at=1000), secret=SECRET, now=1000)

    assert "client_secret_expired" == raised.value.code


def test_a_key_signed_with_another_secret_is_refused() -> None:
    with pytest.raises(NotAuthenticated):
        secrets.read(issue(Patch()), secret=OTHER, now=0)


def test_every_bit_of_a_key_is_signed() -> None:
    raw = base64.urlsafe_b64decode(issue(Patch()).removeprefix("ek_") + "==")

    for at in range(len(raw) * 8):
        altered = bytearray(raw)
        altered[at // 8] ^= 1 << at % 8
        with pytest.raises(NotAuthenticated):
            secrets.read("ek_" + base64.urlsafe_b64encode(altered).decode(), secret=SECRET, now=0)


@pytest.mark.parametrize(
    "key", ["ek_", "ek_x", "ek_ä", "ek_" + "A" * 200, "ek_=", "ek_" + "-_" * 40, "ek_\0", "ek_a b"]
)
def test_a_malformed_key_is_refused(key: str) -> None:
    with pytest.raises(NotAuthenticated):
        secrets.read(key, secret=SECRET, now=0)


def test_a_key_names_its_issuer() -> None:
    key = secrets.issue(Patch(), secret=SECRET, expires_at=1000, nonce=NONCE, issuer="alice")

    assert ["alice", "anyone"] == [secrets.read(one, secret=SECRET, now=0).issuer for one in (key, issue(Patch()))]


@given(st.text())
def test_any_text_after_the_prefix_is_refused(text: str) -> None:
    with pytest.raises(NotAuthenticated):
        secrets.read(f"ek_{text}", secret=SECRET, now=0)


REQUESTS: list[tuple[bytes, int]] = [
    (b"", 600),
    (b"{}", 600),
    (b'{"session": {"type": "realtime"}}', 600),
    (b'{"expires_after": {"anchor": "created_at", "seconds": 10}}', 10),
    (b'{"expires_after": {"anchor": "created_at", "seconds": 7200}, "unknown": 1}', 7200),
    (b'{"expires_after": {"anchor": "created_at"}}', 600),
    (b'{"session": {"input_audio_transcription": {"prompt": "cut \\ud83d"}}}', 600),
]


@pytest.mark.parametrize(("body", "seconds"), REQUESTS)
def test_a_request_sets_the_lifetime(body: bytes, seconds: int) -> None:
    assert seconds == decoded(body, secrets.ClientSecretRequest).seconds


WRONG: list[tuple[bytes, str | None]] = [
    (b'{"expires_after": {"anchor": "created_at", "seconds": 9}}', "expires_after.seconds"),
    (b'{"expires_after": {"anchor": "created_at", "seconds": 7201}}', "expires_after.seconds"),
    (b'{"expires_after": {"anchor": "now"}}', "expires_after.anchor"),
    (b'{"session": {"audio": {"input": {"transcription": {"model": 1}}}}}', "session.audio.input.transcription.model"),
    (b'{"session": []}', "session"),
    (b"[]", None),
    (b"{", None),
    (b"\xff", None),
    (b'{"session": ' + b"[" * 100_000, "session"),
    (b'{"session": {"input_audio_noise_reduction": ' + b"[" * 100_000, "session.input_audio_noise_reduction"),
]


@pytest.mark.parametrize(("body", "param"), WRONG)
def test_an_invalid_request_names_the_field(body: bytes, param: str | None) -> None:
    with pytest.raises(BadRequest) as raised:
        decoded(body, secrets.ClientSecretRequest)

    assert param == raised.value.param
