"""Client secrets: issued with a key, and valid only for live sessions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from websockets.exceptions import InvalidStatus

from tests.endpoints.live import BETA, live_client, live_server
from tests.running import RunningServer
from tests.witnesses import redis_server

KEY = {"Authorization": "Bearer key-1"}
SECRET = "the same on all replicas"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with live_server("hello", api_keys=("key-1",), secret=SECRET) as opened:
        yield opened


def post(
    server: RunningServer, path: str, json: object = None, headers: dict[str, str] | None = None
) -> httpx2.Response:
    address = f"{server.base_url}/realtime/{path}"
    return httpx2.post(address, json=json, headers=KEY if headers is None else headers, trust_env=False)


def lasts(expires_at: float, seconds: int, asked: float) -> bool:
    """Return whether a secret that was requested at `asked` expires this many whole seconds later."""
    return asked - 1 <= expires_at - seconds <= time.time()


def test_the_official_client_creates_a_secret(server: RunningServer) -> None:
    asked = time.time()
    made = server.client(api_key="key-1").realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 60},
        session={
            "type": "transcription",
            "audio": {
                "input": {"transcription": {"model": "gpt-4o-transcribe", "language": "de"}, "turn_detection": None}
            },
        },
    )

    assert made.value.startswith("ek_")
    assert lasts(made.expires_at, 60, asked)
    session = made.session.to_dict()
    assert "transcription" == session["type"]
    assert session["audio"]["input"]["turn_detection"] is None  # type: ignore[index]
    assert "de" == session["audio"]["input"]["transcription"]["language"]  # type: ignore[index]


def test_the_beta_endpoint_returns_a_session_with_a_secret(server: RunningServer) -> None:
    asked = time.time()
    made = post(server, "transcription_sessions", {"input_audio_format": "g711_ulaw", "turn_detection": None}).json()

    assert made["client_secret"]["value"].startswith("ek_")
    assert lasts(made["client_secret"]["expires_at"], 600, asked)
    assert ("g711_ulaw", None) == (made["input_audio_format"], made["turn_detection"])
    assert "realtime.transcription_session" == made["object"]


@pytest.mark.parametrize("path", ["client_secrets", "transcription_sessions"])
def test_a_secret_expires_after_the_requested_time(server: RunningServer, path: str) -> None:
    after = {"anchor": "created_at", "seconds": 60}
    asked = time.time()
    requested = {"expires_after": after} if path == "client_secrets" else {"client_secret": {"expires_at": after}}
    made = post(server, path, requested).json()

    assert lasts(made.get("client_secret", made)["expires_at"], 60, asked)


@pytest.mark.parametrize("path", ["client_secrets", "transcription_sessions"])
async def test_ignored_settings_are_listed_with_the_secret_and_in_the_session(server: RunningServer, path: str) -> None:
    include = ["item.input_audio_transcription.logprobs"]
    session = {"include": include, "tracing": "auto", "turn_detection": {"create_response": True}}
    made = post(server, path, {"session": session} if path == "client_secrets" else session).json()
    issued, key = (
        (made["session"], made["value"]) if path == "client_secrets" else (made, made["client_secret"]["value"])
    )

    async with live_client(server, "", additional_headers={"Authorization": f"Bearer {key}"}) as client:
        created = (await client.receive())["session"]

    assert ["include", "tracing", "turn_detection.create_response"] == issued["dashscope"]["ignored"]
    assert issued["dashscope"] == created["dashscope"]


BESIDE: list[tuple[dict[str, Any], list[str]]] = [
    ({"type": "transcription", "audio": {"input": {"turn_detection": None}}}, ["audio", "type"]),
    (
        {"model": "whisper-1", "turn_detection": None, "input_audio_format": "g711_ulaw"},
        ["input_audio_format", "model"],
    ),
    ({"session": {"type": "transcription", "foo": 1}, "expires_in": 60}, ["expires_in", "foo"]),
    ({"session": None, "expires_after": {"anchor": "created_at", "seconds": 60}}, []),
]


@pytest.mark.parametrize(("body", "ignored"), BESIDE)
def test_fields_beside_the_session_are_listed_as_ignored(
    server: RunningServer, body: dict[str, Any], ignored: list[str]
) -> None:
    assert ignored == post(server, "client_secrets", body).json()["session"]["dashscope"]["ignored"]


@pytest.mark.parametrize("path", ["client_secrets", "transcription_sessions"])
def test_an_empty_body_means_the_defaults(server: RunningServer, path: str) -> None:
    assert 200 == httpx2.post(f"{server.base_url}/realtime/{path}", headers=KEY, trust_env=False).status_code


def secret(server: RunningServer, session: Mapping[str, object]) -> str:
    value: str = post(server, "client_secrets", {"session": session}).json()["value"]
    return value


GA = {"type": "transcription", "audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}}


@pytest.mark.parametrize("place", ["header", "subprotocol"])
async def test_a_secret_opens_a_session_with_its_configuration(server: RunningServer, place: str) -> None:
    key = secret(server, GA)
    options = (
        {"additional_headers": {"Authorization": f"Bearer {key}"}}
        if place == "header"
        else {"subprotocols": ["realtime", f"openai-insecure-api-key.{key}"]}
    )

    async with live_client(server, "", **options) as client:
        created = await client.receive()

    assert ("session.created", "transcription") == (created["type"], created["session"]["type"])
    assert 16000 == created["session"]["audio"]["input"]["format"]["rate"]


async def test_a_beta_secret_opens_a_beta_session(server: RunningServer) -> None:
    key = post(server, "transcription_sessions", {"input_audio_format": "g711_alaw"}).json()["client_secret"]["value"]

    async with live_client(server, additional_headers={"Authorization": f"Bearer {key}", **BETA}) as client:
        created = await client.receive()

    assert "transcription_session.created" == created["type"]
    assert "g711_alaw" == created["session"]["input_audio_format"]


async def test_a_secret_works_on_every_replica_and_for_several_sessions(server: RunningServer) -> None:
    key = secret(server, GA)
    with live_server("hello", api_keys=("another",), secret=SECRET) as replica:
        for _ in range(2):
            async with live_client(replica, additional_headers={"Authorization": f"Bearer {key}"}) as client:
                assert "session.created" == (await client.receive())["type"]


LIMITED = "alice sk-alice-1 rest,realtime 3/day\nbob sk-bob-12 rest,realtime 3/day\n"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    (path := tmp_path / "keys").write_text(LIMITED)
    return path


def secret_of(server: RunningServer, key: str) -> str:
    value: str = post(server, "client_secrets", {"session": GA}, {"Authorization": f"Bearer {key}"}).json()["value"]
    return value


async def opened(server: RunningServer, key: str) -> int:
    """Return the status of the handshake with this key."""
    try:
        async with live_client(server, additional_headers={"Authorization": f"Bearer {key}"}):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_sessions_count_against_the_rate_of_the_issuer_of_their_secret(keys: Path, tmp_path: Path) -> None:
    with (
        redis_server(tmp_path) as redis,
        live_server("hello", api_keys_file=keys, secret=SECRET, store=redis) as one,
        live_server("hello", api_keys_file=keys, secret=SECRET, store=redis) as other,
    ):
        first, second, bobs = (secret_of(one, key) for key in ("sk-alice-1", "sk-alice-1", "sk-bob-12"))
        statuses = [
            await opened(one, first),
            await opened(other, second),
            await opened(one, "sk-alice-1"),
            await opened(other, first),
            await opened(other, "sk-alice-1"),
            await opened(other, bobs),
        ]

    assert [101, 101, 101, 429, 429, 101] == statuses


async def test_a_secret_is_invalid_once_its_issuer_s_key_is_removed(keys: Path) -> None:
    with live_server("hello", api_keys_file=keys) as server:
        alices, bobs = secret_of(server, "sk-alice-1"), secret_of(server, "sk-bob-12")
        await asyncio.to_thread(keys.write_text, "alice sk-alice-2\nbob sk-bob-12 rest\n")
        statuses = [await opened(server, key) for key in (alices, bobs)]

    assert [101, 401] == statuses


async def test_foreign_and_altered_secrets_are_refused_at_the_upgrade(server: RunningServer) -> None:
    with live_server("hello") as other:  # has no keys, and signs with another secret
        foreign = httpx2.post(f"{other.base_url}/realtime/client_secrets", trust_env=False).json()["value"]
    good = secret(server, GA)

    for key in (foreign, good[:-4] + ("AAAA" if not good.endswith("AAAA") else "BBBB"), "ek_", "wrong"):
        for options in (
            {"additional_headers": {"Authorization": f"Bearer {key}"}},
            {"subprotocols": ["realtime", f"openai-insecure-api-key.{key}"]},
        ):
            with pytest.raises(InvalidStatus) as raised:
                async with live_client(server, **options):
                    pass
            assert 401 == raised.value.response.status_code


def test_http_endpoints_refuse_a_secret(server: RunningServer) -> None:
    key = secret(server, GA)

    with pytest.raises(openai.AuthenticationError) as raised:
        server.client(api_key=key).audio.transcriptions.create(model="whisper-1", file=("a.wav", b"x"))
    assert "client secret" in raised.value.message
    assert 401 == post(server, "client_secrets", {}, {"Authorization": f"Bearer {key}"}).status_code
    assert 401 == post(server, "client_secrets", {}, {"Authorization": "Bearer wrong"}).status_code
    assert 401 == post(server, "transcription_sessions", {}, {}).status_code


TRANSLATE = "gpt-realtime-translate"
WRONG: list[tuple[str, object, str]] = [
    ("client_secrets", {"expires_after": {"anchor": "created_at", "seconds": 7201}}, "expires_after.seconds"),
    ("client_secrets", {"session": {"type": "dance"}}, "session.type"),
    (
        "client_secrets",
        {"session": {"audio": {"input": {"transcription": {"model": "gpt-9"}}}}},
        "session.audio.input.transcription.model",
    ),
    (
        "client_secrets",
        {"session": {"audio": {"input": {"transcription": {"model": "paraformer-v2"}}}}},
        "session.audio.input.transcription.model",
    ),
    ("client_secrets", {"session": {"include": ["bogus"]}}, "session.include[0]"),
    ("transcription_sessions", {"include": ["bogus"]}, "include[0]"),
    (
        "transcription_sessions",
        {"input_audio_noise_reduction": {"type": "x"}},
        "input_audio_noise_reduction.type",
    ),
    ("transcription_sessions", {"client_secret": {"expires_at": {"seconds": 9}}}, "client_secret.expires_at.seconds"),
    ("transcription_sessions", {"input_audio_format": "mp3"}, "input_audio_format"),
    (
        "transcription_sessions",
        {"input_audio_transcription": {"prompt": "word " * 30_000}},
        "input_audio_transcription.prompt",
    ),
    (
        "client_secrets",
        {"session": {"audio": {"input": {"transcription": {"prompt": "word " * 30_000}}}}},
        "session.audio.input.transcription.prompt",
    ),
    ("client_secrets", {"session": {"type": "translation"}}, "session.type"),
    ("translations/client_secrets", {}, "session"),
    ("translations/client_secrets", {"session": {}}, "session.model"),
    ("translations/client_secrets", {"session": {"model": TRANSLATE, "type": "realtime"}}, "session.type"),
]


@pytest.mark.parametrize(("path", "body", "param"), WRONG)
def test_an_invalid_configuration_is_refused_by_name(
    server: RunningServer, path: str, body: object, param: str
) -> None:
    answer = post(server, path, body)

    assert answer.status_code in (400, 404)
    assert param == answer.json()["error"]["param"]


def test_an_oversized_body_is_refused(server: RunningServer) -> None:
    assert 413 == post(server, "client_secrets", {"session": {"type": "x" * 300_000}}).status_code


def test_secrets_are_refused_when_keys_are_passed_on() -> None:
    with live_server("hello", pass_key=True, dashscope_api_key=None) as server:
        key = {"Authorization": "Bearer sk-mine"}
        answer = post(server, "client_secrets", {}, key)
        wrong = post(server, "translations/client_secrets", {"session": {"model": "gpt-transcribe"}}, key)

    assert "session.model" == wrong.json()["error"]["param"]  # a page that opens the WebSocket would not be told
    assert (403, "no_client_secrets") == (answer.status_code, answer.json()["error"]["code"])
    assert "sk-mine" not in answer.text
