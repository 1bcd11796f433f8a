"""Handshakes of live translation: keys, client secrets, origins, bounds, and what is logged and counted."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from compat.emulator.engines.tones import Tones
from compat.openai_api import secrets
from compat.openai_api.translations.session import TranslationPatch
from tests.endpoints.live import SPEECH, LiveClient
from tests.polling import until
from tests.running import RunningServer, running_server

KEY = "key-1"
APPEND = "session.input_audio_buffer.append"
MODEL = "gpt-realtime-translate"
FLAT, NESTED = "qwen3.5-livetranslate-flash-realtime", "qwen3.8-livetranslate-flash-realtime"
SPANISH: Any = {"model": MODEL, "audio": {"output": {"language": "es"}}}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Tones(), api_keys=(KEY,), secret="the secret", cors_origins=("https://app.example",)) as opened:
        yield opened


@asynccontextmanager
async def translating(
    server: RunningServer,
    query: str = f"?model={MODEL}",
    key: str | None = KEY,
    **options: Any,  # noqa: ANN401 - those of connect
) -> AsyncIterator[LiveClient]:
    address = server.base_url.replace("http", "ws", 1) + "/realtime/translations" + query
    headers = {**({"Authorization": f"Bearer {key}"} if key else {}), **options.pop("headers", {})}
    async with connect(address, additional_headers=headers, compression=None, proxy=None, **options) as socket:
        yield LiveClient(socket)


async def refusal(
    server: RunningServer,
    query: str = f"?model={MODEL}",
    **options: Any,  # noqa: ANN401 - those of `translating`
) -> tuple[int, str | None, str]:
    """The status, parameter and message of a refused handshake."""
    with pytest.raises(InvalidStatus) as refused:
        async with translating(server, query, **options):
            pass
    response = refused.value.response
    error = httpx2.Response(response.status_code, content=bytes(response.body or b"")).json()["error"]
    return response.status_code, error["param"], error["message"]


def secret(server: RunningServer, session: Any = SPANISH, **options: Any) -> str:  # noqa: ANN401
    made = server.client(KEY).realtime.translations.client_secrets.create(session=session, **options)
    return made.value


def test_the_official_client_creates_a_secret(server: RunningServer) -> None:
    asked = time.time()
    made = server.client(KEY).realtime.translations.client_secrets.create(
        session=SPANISH,
        expires_after={"anchor": "created_at", "seconds": 60},
    )

    assert made.value.startswith("ek_")
    assert asked - 1 <= made.expires_at - 60 <= time.time()
    assert (made.session.type, made.session.model) == ("translation", MODEL)
    assert made.session.audio.output is not None
    assert made.session.audio.output.language == "es"
    assert made.session.to_dict()["dashscope"]["model"] == FLAT  # type: ignore[index]


@pytest.mark.parametrize("place", ["header", "subprotocol"])
@pytest.mark.parametrize(("query", "native"), [("", FLAT), (f"?model={NESTED}", NESTED)])
async def test_a_secret_opens_a_session_with_its_configuration(
    server: RunningServer, place: str, query: str, native: str
) -> None:
    key = secret(server)
    protocols: Any = ["realtime", f"openai-insecure-api-key.{key}"]
    options = {"key": key} if place == "header" else {"key": None, "subprotocols": protocols}

    async with translating(server, query, **options) as client:
        created = (await client.receive())["session"]
        await client.append(SPEECH, kind=APPEND)
        await client.send("session.close")
        events = await client.until(".closed")

    assert (created["audio"]["output"]["language"], created["dashscope"]["model"]) == ("es", native)
    said = "".join(event["delta"] for event in events if event["type"] == "session.output_transcript.delta")
    assert said == "[es] amber basil cedar"


async def test_a_secret_opens_sessions_of_its_own_kind_only(server: RunningServer) -> None:
    other = server.client(KEY).realtime.client_secrets.create().value
    status, param, message = await refusal(server, key=other)
    assert (status, param) == (403, None)
    assert "/v1/realtime" in message

    address = server.base_url.replace("http", "ws", 1) + "/realtime?intent=transcription"
    with pytest.raises(InvalidStatus) as refused:
        async with connect(address, additional_headers={"Authorization": f"Bearer {secret(server)}"}, proxy=None):
            pass
    assert refused.value.response.status_code == 403
    with pytest.raises(openai.AuthenticationError):
        server.client(secret(server)).models.list()


async def test_secrets_that_are_expired_altered_or_foreign_are_refused(server: RunningServer) -> None:
    good = secret(server)
    with running_server(Tones(), secret="another", api_keys=(KEY,)) as other:
        assert (await refusal(other, key=good))[0] == 401
    expired = secrets.issue(
        TranslationPatch(model=MODEL), secret=b"the secret", expires_at=int(time.time()) - 1, nonce=b"n"
    )
    status, _, message = await refusal(server, key=expired)
    assert (status, "expired" in message) == (401, True)
    for key in (good[:-4] + ("AAAA" if not good.endswith("AAAA") else "BBBB"), "ek_", "wrong", None):
        assert (await refusal(server, key=key))[0] == 401


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "session"),
        ({"session": {}}, 400, "session.model"),
        ({"session": {"model": "gpt-9"}}, 404, "session.model"),
        ({"session": {"model": "whisper-1"}}, 400, "session.model"),
        ({"session": {"model": MODEL, "type": "realtime"}}, 400, "session.type"),
        ({"session": {"model": MODEL, "audio": {"output": {"language": "Klingon"}}}}, 400,
         "session.audio.output.language"),
        ({"session": {"model": MODEL, "audio": {"input": {"format": {"rate": 8000}}}}}, 400,
         "session.audio.input.format"),
        ({"session": {"model": MODEL}, "expires_after": {"anchor": "created_at", "seconds": 9}}, 400,
         "expires_after.seconds"),
        ({"session": {"model": MODEL, "dashscope": {"phrases": {str(n): f"{n:x}" * 9 for n in range(999)}}}}, 400,
         "session"),
    ],
)  # fmt: skip
def test_an_invalid_request_for_a_secret_is_refused_by_name(
    server: RunningServer, body: object, status: int, param: str
) -> None:
    address = f"{server.base_url}/realtime/translations/client_secrets"
    answer = httpx2.post(address, json=body, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)


def test_fields_beside_the_session_are_listed_as_ignored(server: RunningServer) -> None:
    client = server.client(KEY)
    misplaced: Any = {"audio": {"output": {"language": "fr"}}, "foo": 1}
    made = client.realtime.translations.client_secrets.create(session=SPANISH, extra_body=misplaced)
    assert made.session.to_dict()["dashscope"]["ignored"] == ["audio", "foo"]  # type: ignore[index]


def test_a_secret_is_not_issued_without_a_key(server: RunningServer) -> None:
    for key in ("wrong", secret(server)):
        with pytest.raises(openai.AuthenticationError):
            server.client(key).realtime.translations.client_secrets.create(session=SPANISH)


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ("", 400, "model"),
        ("?model=", 400, "model"),
        ("?model=gpt-9", 404, "model"),
        ("?model=whisper-1", 400, "model"),
        ("?model=qwen3-asr-flash-realtime", 400, "model"),
        (f"?model={MODEL}&intent=transcription", 400, "intent"),
        (f"?model={MODEL}&call_id=rtc_1", 400, "call_id"),
    ],
)
async def test_a_refused_handshake(server: RunningServer, query: str, status: int, param: str) -> None:
    assert (await refusal(server, query))[:2] == (status, param)


async def test_pages_of_other_origins_are_refused(server: RunningServer) -> None:
    assert (await refusal(server, origin="https://evil.example"))[0] == 403
    async with translating(server, origin="https://app.example") as client:
        assert (await client.receive())["type"] == "session.created"


async def test_a_key_without_the_scope_and_one_at_its_rate_are_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("alice sk-alice-1 rest\nbob sk-bob-12 realtime 1/day\n")
    with running_server(Tones(), api_keys_file=tmp_path / "keys") as server:
        assert (await refusal(server, key="sk-alice-1"))[0] == 403
        bobs = server.client("sk-bob-12").realtime.translations.client_secrets.create(session=SPANISH).value
        async with translating(server, key=bobs) as client:
            await client.receive()
        assert (await refusal(server, key=bobs))[0] == 429


async def test_a_session_is_logged_and_counted_without_its_words(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "compat")
    async with translating(server, f"?model={NESTED}") as client:
        await client.append(SPEECH, kind=APPEND)
        await client.send("session.close")
        _, close = await client.until_closed()
    until(lambda: any(record.name == "compat.live" for record in caplog.records))

    [fields] = [record.__dict__["fields"] for record in caplog.records if record.name == "compat.live"]
    seconds = len(SPEECH) / 48_000
    assert close.code == 1000
    assert (fields["model"], fields["dialect"], fields["code"]) == (NESTED, "translation", 1000)
    assert (fields["items"], fields["corrections"], fields["reconnections"]) == (1, 0, 0)
    assert fields["audio_seconds"] == pytest.approx(seconds, abs=0.01)
    assert not [record for record in caplog.records if "amber" in f"{record.getMessage()} {record.__dict__}"]
