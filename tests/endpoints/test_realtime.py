"""Live sessions on the wire: handshakes, refusals, error events, reconnections and closing."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as connect_sync
from websockets.typing import Origin

from compat.emulator.faults import Fault, Hang, Live, Refuse, Rule
from compat.emulator.live_faults import Sever
from tests.endpoints.live import BETA, MANUAL, SPEECH, LiveClient, live_client, live_server
from tests.running import RunningServer

KEYED: dict[str, Any] = {"additional_headers": {"Authorization": "Bearer key-1"}}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with live_server("hello there") as opened:
        yield opened


@pytest.fixture(scope="module")
def keyed() -> Iterator[RunningServer]:
    with live_server("hello there", api_keys=("key-1", "key-2"), cors_origins=("https://page.example",)) as opened:
        yield opened


OPENINGS: list[tuple[str, dict[str, Any], str, str, str | None]] = [
    ("intent=transcription", {}, "session.created", "transcription", None),
    ("intent=transcription&model=", {}, "session.created", "transcription", None),
    ("intent=transcription&model=whisper-1", {}, "session.created", "transcription", None),
    ("model=gpt-4o-realtime-preview", {}, "session.created", "realtime", None),
    ("model=gpt-4o-transcribe", {}, "session.created", "realtime", None),
    ("", {}, "session.created", "realtime", None),
    ("intent=transcription", {"additional_headers": BETA}, "transcription_session.created", "", None),
    ("model=gpt-4o-realtime-preview", {"additional_headers": BETA}, "session.created", "", None),
    ("intent=transcription", {"subprotocols": ["realtime"]}, "session.created", "transcription", "realtime"),
    (
        "intent=transcription",
        {"subprotocols": ["realtime", "openai-insecure-api-key.any", "openai-beta.realtime-v1"]},
        "transcription_session.created",
        "",
        "realtime",
    ),
    ("intent=transcription", {"subprotocols": ["mine", "realtime"]}, "session.created", "transcription", "realtime"),
]


@pytest.mark.parametrize(("query", "options", "first", "kind", "subprotocol"), OPENINGS)
async def test_every_way_of_opening_is_answered_by_the_created_event(
    server: RunningServer, query: str, options: dict[str, Any], first: str, kind: str, subprotocol: str | None
) -> None:
    async with live_client(server, query, **options) as client:
        created = await client.receive()

        assert first == created["type"]
        assert kind == created["session"].get("type", "")
        assert subprotocol == client.socket.subprotocol


async def refused(server: RunningServer, **options: Any) -> tuple[int, dict[str, Any], str | None]:  # noqa: ANN401 - those of connect
    with pytest.raises(InvalidStatus) as raised:
        async with live_client(server, **options):
            pass
    response = raised.value.response
    return response.status_code, json.loads(response.body or b"")["error"], response.headers.get("x-request-id")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"additional_headers": {"Authorization": "Bearer wrong"}},
        {"additional_headers": {"Authorization": "Basic a2V5LTE="}},
        {"subprotocols": ["realtime"]},
        {"subprotocols": ["realtime", "openai-insecure-api-key.wrong"]},
    ],
)
async def test_a_wrong_key_is_refused_at_the_upgrade_in_openai_s_shape(
    keyed: RunningServer, options: dict[str, Any]
) -> None:
    status, error, request_id = await refused(keyed, **options)

    assert (401, "invalid_request_error", "invalid_api_key") == (status, error["type"], error["code"])
    assert request_id is not None


async def test_a_parameter_with_two_values_is_named(server: RunningServer) -> None:
    status, error, _ = await refused(server, query="intent=transcription&model=whisper-1&model=fun-asr")

    assert (400, "model") == (status, error["param"])


@pytest.mark.parametrize("options", [KEYED, {"subprotocols": ["realtime", "openai-insecure-api-key.key-2"]}])
async def test_a_key_is_accepted_in_the_header_and_in_the_subprotocol(
    keyed: RunningServer, options: dict[str, Any]
) -> None:
    async with live_client(keyed, **options) as client:
        assert "session.created" == (await client.receive())["type"]
        assert client.socket.response is not None
        assert "x-request-id" in client.socket.response.headers


@pytest.mark.parametrize("origin", ["https://page.example", "http://localhost:3000", "http://127.0.0.1"])
async def test_pages_of_allowed_origins_may_connect(keyed: RunningServer, origin: str) -> None:
    async with live_client(keyed, origin=origin, **KEYED) as client:
        assert "session.created" == (await client.receive())["type"]


@pytest.mark.parametrize("origin", ["https://evil.example", "https://page.example.evil.example", "null"])
async def test_pages_of_other_origins_are_refused_even_with_a_key(
    server: RunningServer, keyed: RunningServer, origin: str
) -> None:
    for status, error, _ in (await refused(server, origin=origin), await refused(keyed, origin=origin, **KEYED)):
        assert (403, "permission_denied") == (status, error["code"])


async def test_a_page_of_the_same_host_may_connect(keyed: RunningServer) -> None:
    port = urlsplit(keyed.base_url).port
    async with connect(
        f"ws://asr.example:{port}/v1/realtime",
        host="127.0.0.1",
        origin=Origin(f"http://asr.example:{port}"),
        proxy=None,
        **KEYED,
    ) as socket:
        assert "session.created" == (await LiveClient(socket).receive())["type"]


async def test_the_created_event_does_not_wait_for_the_service(server: RunningServer) -> None:
    server.fail(Rule("realtime", Hang()))

    async with live_client(server) as client:
        assert "session.created" == (await client.receive())["type"]
        await client.send("session.update", session=MANUAL)
        assert "session.updated" == (await client.receive())["type"]


async def test_a_client_may_send_everything_before_it_reads(server: RunningServer) -> None:
    async with live_client(server) as client:
        await client.send("session.update", session=MANUAL)
        await client.append(SPEECH)
        await client.send("input_audio_buffer.commit")
        events = await client.until(".completed")

    assert [
        "session.created",
        "session.updated",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
    ] == [event["type"] for event in events]
    assert "hello there" == events[-1]["transcript"] == events[-2]["delta"]
    assert {"type": "duration", "seconds": len(SPEECH) / 48_000} == events[-1]["usage"]


async def test_turns_follow_the_service_s_turn_detection(server: RunningServer) -> None:
    async with live_client(server) as client:
        await client.append(bytes(48_000) + SPEECH + bytes(48_000))
        events = await client.until(".completed")

    starts = [event for event in events if event["type"].endswith("speech_started")]
    assert "hello there" == events[-1]["transcript"]
    assert events[-1]["item_id"] == starts[0]["item_id"]


WRONG: list[tuple[str | bytes, str | None, str | None]] = [
    ("no JSON", None, None),
    (b"binary", None, None),
    (b"\xff\xfe", None, None),
    ("[]", None, None),
    ('{"type": "session.dance", "event_id": "mine"}', "type", "mine"),
    ('{"event_id": "mine"}', "type", "mine"),
    ('{"type": "input_audio_buffer.append", "event_id": "mine", "audio": 7}', "audio", "mine"),
    ('{"type": "input_audio_buffer.append", "event_id": "mine", "audio": "*"}', "audio", "mine"),
    ('{"type": "input_audio_buffer.append", "event_id": "mine"}', "audio", "mine"),
    (
        '{"type": "session.update", "event_id": "mine", "session": {"audio": {"input": {"format": {"type": "mp3"}}}}}',
        "session.audio.input.format.type",
        "mine",
    ),
    (
        '{"type": "session.update", "event_id": "mine", "session": {"sample_rate": 44100}}',
        "session.sample_rate",
        "mine",
    ),
    ('{"type": "response.create", "event_id": "mine"}', "type", "mine"),
    ('{"type": "input_audio_buffer.commit", "event_id": "mine"}', None, "mine"),
]


@pytest.mark.parametrize(("frame", "param", "event_id"), WRONG)
async def test_an_invalid_frame_gets_an_error_event_and_loses_nothing(
    server: RunningServer, frame: str | bytes, param: str | None, event_id: str | None
) -> None:
    async with live_client(server) as client:
        await client.receive()
        await client.send("session.update", session=MANUAL)
        await client.receive()

        await client.socket.send(frame)

        error = await client.receive()
        assert ("error", "invalid_request_error") == (error["type"], error["error"]["type"])
        assert (event_id, True) == (error["error"]["event_id"], param in (None, error["error"]["param"]))
        assert "hello there" == await client.turn()


async def test_a_key_that_the_service_rejects_ends_the_session_with_an_error() -> None:
    with live_server("never recognised", dashscope_api_key="bad", service_keys=("good",)) as server:
        async with live_client(server) as client:
            [created, error], close = await client.until_closed()

    assert ("session.created", "invalid_api_key") == (created["type"], error["error"]["code"])
    assert 1011 == close.code


@pytest.mark.parametrize(
    "fault",
    [
        Refuse(401, "InvalidApiKey", "无效的密钥" * 40),
        Live((Sever(0, "events", code=1007, reason="Model not found: " + "没有" * 17),)),
    ],
)
async def test_a_long_close_reason_is_truncated_in_any_script(server: RunningServer, fault: Fault) -> None:
    server.fail(Rule("realtime", fault, times=None))  # if a reset overtakes the reason, the server connects again
    async with live_client(server) as client:
        [*_, error], close = await client.until_closed()

    assert 1011 == close.code
    assert error["error"]["message"].startswith(close.reason)
    assert 120 <= len(close.reason.encode()) <= 123


async def test_clients_may_send_the_service_s_key() -> None:
    with live_server("hello there", dashscope_api_key=None, pass_key=True, service_keys=("sk-mine",)) as server:
        async with live_client(server, additional_headers={"Authorization": "Bearer sk-mine"}) as client:
            await client.send("session.update", session=MANUAL)
            assert "hello there" == await client.turn()
        assert 401 == (await refused(server))[0]


async def test_a_temporarily_unreachable_service_only_delays_the_transcript(server: RunningServer) -> None:
    server.fail(Rule("realtime", Refuse(503, "ServiceUnavailable"), times=2))

    async with live_client(server) as client:
        await client.send("session.update", session=MANUAL)
        assert "hello there" == await client.turn()


async def test_a_lost_connection_in_a_turn_only_delays_the_transcript(server: RunningServer) -> None:
    server.fail(Rule("realtime", Live((Sever(3),))))

    async with live_client(server) as client:
        await client.send("session.update", session=MANUAL)
        assert "hello there" == await client.turn()
        assert "hello there" == await client.turn()


async def sessions(server: RunningServer) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield the service's sessions, polled repeatedly."""
    root = server.service
    async with httpx2.AsyncClient(trust_env=False) as http:
        while True:
            yield (await http.get(f"{root}/emulator/sessions")).json()


async def test_a_disconnect_finishes_the_session_at_the_service() -> None:
    with live_server("hello there") as server:
        async with live_client(server) as client:
            await client.append(SPEECH[:9_600])
            await client.until("session.created")
            await client.send("session.update", session=MANUAL)
            await client.turn()
        async with asyncio.timeout(10):
            async for seen in sessions(server):
                if seen and all(session["closed"] is not None for session in seen):
                    break

    assert {1000} == {session["closed"] for session in seen}
    assert all(session["finished"] for session in seen if session["bytes"])  # one without audio may be dropped


async def test_a_session_has_one_log_entry_without_its_words(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "compat")
    async with live_client(server, additional_headers={"x-request-id": "req-7"}) as client:
        await client.send("session.update", session=MANUAL)
        await client.turn()
    async with asyncio.timeout(10):
        async for _ in sessions(server):
            if entries := [record for record in caplog.records if record.name == "compat.live"]:
                break

    [entry] = entries
    fields = entry.__dict__["fields"]
    assert ("session", "req-7", "ga", 1, 1000) == (
        entry.getMessage(),
        fields["request_id"],
        fields["dialect"],
        fields["items"],
        fields["code"],
    )
    assert ("anyone", "qwen3-asr-flash-realtime", len(SPEECH) / 48_000) == (
        fields["caller"],
        fields["model"],
        fields["audio_seconds"],
    )
    assert "hello" not in str(fields)


def test_shutdown_closes_sessions_with_1001() -> None:
    with live_server("hello there", grace=0.1) as server:
        address = server.base_url.replace("http", "ws", 1) + "/realtime?intent=transcription"
        socket = connect_sync(address, proxy=None)
        assert "session.created" == json.loads(socket.recv())["type"]
        socket.send(json.dumps({"type": "session.update", "session": MANUAL}))
        audio = base64.b64encode(SPEECH).decode()
        socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        assert "session.updated" == json.loads(socket.recv())["type"]

    rest = [json.loads(frame)["type"] for frame in socket]
    assert socket.protocol.close_rcvd is not None
    assert (1001, True) == (socket.protocol.close_rcvd.code, "error" not in rest)
