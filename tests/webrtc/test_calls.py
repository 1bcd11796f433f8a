"""Calls by WebRTC: aiortc calls the server, and the openai package places, joins and ends the calls."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import openai
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import ConversationItemInputAudioTranscriptionCompletedEvent as Completed
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

from compat.emulator.engines.tones import Tones, encode, lay
from compat.endpoints.calls import PENDING
from compat.webrtc.port import bind
from tests.polling import until
from tests.running import running_server
from tests.webrtc.caller import Caller, Microphone, calling
from tests.webrtc.offers import CHROMIUM, SESSION, VIDEO, text
from tests.whole.cutting import cut_house

PAUSE = bytes(96_000)  # a second
WORDS = encode(lay(["amber", "basil", "cedar"]), rate=48_000)
MANUAL = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
KEYS = ("sk-first-of-the-two-keys", "sk-second-of-the-two-keys")
FIRST, SECOND = KEYS
CUTS = 20


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with running_server(Tones(), calls=bind("127.0.0.1", 0, tcp=True), api_keys=KEYS) as opened:
        yield opened.base_url


def sdk(base: str, key: str = FIRST) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=base, api_key=key, max_retries=0)


@contextlib.asynccontextmanager
async def placed(
    base: str, pcm: bytes, session: dict[str, Any] | None = None, key: str = FIRST
) -> AsyncIterator[tuple[Caller, str]]:
    """Place a call with the openai package. Yield the caller and the call's id."""
    locations = []

    async def exchange(offer: str) -> str:
        async with sdk(base, key) as client:
            given: Any = {} if session is None else {"session": session}
            response = await client.realtime.calls.with_raw_response.create(sdp=offer, **given)
            locations.append(response.headers["location"])
            return response.http_response.text

    async with calling(pcm, exchange) as caller:
        yield caller, locations[0].rpartition("/")[2]


async def post(base: str, body: bytes | str = CHROMIUM, **options: Any) -> httpx2.Response:  # noqa: ANN401
    headers = {"content-type": "application/sdp", "authorization": f"Bearer {FIRST}"} | options.pop("headers", {})
    async with httpx2.AsyncClient() as client:
        path = options.pop("path", "/realtime/calls")
        return await client.post(base + path, content=body, headers=headers, **options)


async def closed(joined: AsyncRealtimeConnection) -> int:
    """Return the code with which a joined WebSocket is closed."""
    with contextlib.suppress(ConnectionClosedOK):
        while True:
            await joined.recv()
    closing = joined._connection.protocol.close_rcvd  # noqa: SLF001
    assert closing is not None
    return closing.code


async def test_detected_turns_and_their_times(base: str) -> None:
    pcm = PAUSE + WORDS + 2 * PAUSE + WORDS + 2 * PAUSE
    async with placed(base, pcm) as (caller, _):
        events = await caller.until(".completed") + await caller.until(".completed")
    assert events[0]["type"] == "session.created"
    assert [event["transcript"] for event in events if "transcript" in event] == ["amber basil cedar"] * 2
    starts = [event["audio_start_ms"] for event in events if event["type"].endswith("speech_started")]
    second = (len(WORDS) + 2 * len(PAUSE)) / 96
    assert abs(starts[1] - starts[0] - second) <= 60


async def test_the_client_ends_its_turns(base: str) -> None:
    async with placed(base, WORDS + PAUSE, MANUAL) as (caller, _):
        await caller.microphone.played.wait()
        caller.send("input_audio_buffer.commit")
        assert await caller.transcripts(1) == ["amber basil cedar"]


async def test_the_channel_takes_no_audio_and_the_track_keeps_its_format(base: str) -> None:
    telephone = {
        "type": "transcription",
        "audio": {"input": {"format": {"type": "audio/pcmu"}, "turn_detection": None}},
    }
    async with placed(base, WORDS + PAUSE) as (caller, _):
        await caller.until("session.created")
        caller.send("session.update", session=telephone)
        caller.send("input_audio_buffer.append", audio="AAAA", event_id="mine")
        events = await caller.until("error")
        assert events[0]["session"]["audio"]["input"]["format"] == {"type": "audio/pcmu"}
        assert (events[-1]["error"]["code"], events[-1]["error"]["event_id"]) == ("unsupported_event", "mine")
        await caller.microphone.played.wait()
        caller.send("input_audio_buffer.commit")
        assert await caller.transcripts(1) == ["amber basil cedar"]


async def test_a_client_secret_configures_the_call(base: str) -> None:
    async with sdk(base) as client:
        secret = await client.realtime.client_secrets.create(session=MANUAL)  # type: ignore[arg-type]
    async with placed(base, WORDS, key=secret.value) as (caller, call):
        (created,) = await caller.until("session.created")
        assert created["session"]["audio"]["input"]["turn_detection"] is None
        async with sdk(base, FIRST) as issuer:  # the key of a secret owns its calls
            await issuer.realtime.calls.hangup(call)
        await caller.closed.wait()


async def test_hanging_up_ends_the_call_and_its_websockets(base: str) -> None:
    async with placed(base, WORDS) as (caller, call), sdk(base) as client:
        await caller.until("session.created")
        async with client.realtime.connect(call_id=call) as joined:
            created = await joined.recv()
            assert created.type == "session.created"
            await client.realtime.calls.hangup(call)
            assert await closed(joined) == 1000
        await caller.closed.wait()
        with pytest.raises(openai.NotFoundError) as gone:
            await client.realtime.calls.hangup(call)
        assert gone.value.code == "call_not_found"


async def test_a_joined_websocket_configures_the_call_and_gets_its_events(base: str) -> None:
    async with placed(base, WORDS + PAUSE) as (caller, call), sdk(base) as client:
        async with client.realtime.connect(call_id=call) as joined:
            await joined.session.update(session=MANUAL)  # type: ignore[arg-type]
            await caller.until("session.updated")
            await caller.microphone.played.wait()
            await joined.input_audio_buffer.commit()
            async for event in joined:
                if event.type.endswith(".completed"):
                    break
            assert event.transcript == "amber basil cedar"  # type: ignore[union-attr]
        assert await caller.transcripts(1) == ["amber basil cedar"]  # leaving does not end the call
        async with client.realtime.connect(call_id=call) as again:
            assert [(await again.recv()).type for _ in range(2)] == ["session.created", "session.updated"]


async def test_the_turn_in_which_the_caller_hangs_up_is_transcribed_for_joined_websockets(base: str) -> None:
    async with (
        placed(base, WORDS * 9) as (caller, call),
        sdk(base) as client,
        client.realtime.connect(call_id=call) as joined,
    ):
        await caller.until(".delta")
        await caller.connection.close()
        completed = [event async for event in joined if isinstance(event, Completed)]
    assert [event.transcript.split()[0] for event in completed] == ["amber"]


async def test_events_of_a_call_without_a_channel_reach_websockets_that_joined_before(base: str) -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTrack(Microphone(PAUSE + WORDS + 2 * PAUSE))
    await connection.setLocalDescription(await connection.createOffer())
    answer = await post(base, connection.localDescription.sdp)
    call = answer.headers["location"].rpartition("/")[2]
    async with sdk(base) as client, client.realtime.connect(call_id=call) as joined:
        await connection.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        async for event in joined:
            if isinstance(event, Completed):
                break
    await connection.close()
    assert isinstance(event, Completed)
    assert event.transcript == "amber basil cedar"


async def test_a_call_is_hung_up_before_it_is_connected(base: str) -> None:
    call = (await post(base)).headers["location"].rpartition("/")[2]
    async with sdk(base) as client:
        await client.realtime.calls.hangup(call)
        with pytest.raises(openai.NotFoundError):
            await client.realtime.calls.hangup(call)


async def test_the_call_of_another_key_is_not_found(base: str) -> None:
    async with placed(base, WORDS) as (_, call), sdk(base, SECOND) as other:
        with pytest.raises(openai.NotFoundError):
            await other.realtime.calls.hangup(call)
        address = base.replace("http", "ws", 1) + f"/realtime?call_id={call}"
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, additional_headers={"Authorization": f"Bearer {SECOND}"}, proxy=None)
        assert refused.value.response.status_code == 404


async def test_the_path_and_the_events_of_the_beta_api(base: str) -> None:
    async def exchange(offer: str) -> str:
        query = {"intent": "transcription"}
        answer = await post(base, offer, path="/realtime", params=query, headers={"openai-beta": "realtime=v1"})
        assert answer.status_code == 201
        return answer.text

    async with calling(WORDS + 2 * PAUSE, exchange) as caller:
        assert (await caller.until("created"))[0]["type"] == "transcription_session.created"
        assert await caller.transcripts(1) == ["amber basil cedar"]


REFUSED: dict[str, tuple[dict[str, Any], tuple[int, str | None, str | None]]] = {
    "no key": ({"headers": {"authorization": ""}}, (401, "invalid_api_key", None)),
    "a wrong key": ({"headers": {"authorization": "Bearer sk-x"}}, (401, "invalid_api_key", None)),
    "no offer": ({"body": ""}, (400, "invalid_offer", None)),
    "junk": ({"body": b"\xff\xfe"}, (400, "invalid_offer", None)),
    "no audio": ({"body": text(SESSION, VIDEO)}, (400, "invalid_offer", None)),
    "too long": ({"body": "v=0\r\n" + "a=x\r\n" * 100_000}, (413, "request_too_large", "sdp")),
    "JSON": ({"body": "{}", "headers": {"content-type": "application/json"}}, (400, "invalid_request_error", "sdp")),
    "a foreign page": ({"headers": {"origin": "https://example.com"}}, (403, "permission_denied", None)),
    "translation": ({"params": {"model": "gpt-realtime-translate"}}, (400, None, "model")),
}


@pytest.mark.parametrize(("request_", "expected"), REFUSED.values(), ids=REFUSED)
async def test_refused_offers(
    base: str, request_: dict[str, Any], expected: tuple[int, str | None, str | None]
) -> None:
    response = await post(base, **request_)
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (expected[0], expected[2])
    assert expected[1] in (None, error["code"], error["type"])


FORMS = {
    "no sdp": ({"session": (None, "{}")}, "sdp"),
    "not JSON": ({"sdp": (None, CHROMIUM), "session": (None, "{")}, "session"),
    "an unknown model": (
        {
            "sdp": (None, CHROMIUM),
            "session": (None, '{"type":"transcription","audio":{"input":{"transcription":{"model":"no"}}}}'),
        },
        "session.audio.input.transcription.model",
    ),
    "a wrong type": ({"sdp": (None, CHROMIUM), "session": (None, '{"audio":{"input":{"format":{"type":"x"}}}}')},
                     "session.audio.input.format.type"),
}  # fmt: skip


@pytest.mark.parametrize(("form", "param"), FORMS.values(), ids=FORMS)
async def test_refused_forms(base: str, form: dict[str, Any], param: str) -> None:
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {FIRST}"}) as client:
        response = await client.post(f"{base}/realtime/calls", files=form)
    assert response.status_code in (400, 404)
    assert (response.json()["error"]["param"] or "").startswith(param)


@pytest.mark.parametrize("files", [True, False])
async def test_the_parts_are_files_or_fields(base: str, files: bool) -> None:
    name = "blob" if files else None
    form = {"sdp": (name, CHROMIUM, "application/sdp"), "session": (name, json.dumps(MANUAL), "application/json")}
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {FIRST}"}) as client:
        response = await client.post(f"{base}/realtime/calls", files=form)
    assert (response.status_code, response.headers["content-type"]) == (201, "application/sdp")


async def test_a_broken_connection_to_the_service_loses_no_word() -> None:
    with cut_house(Tones(), calls=bind("127.0.0.1", 0, tcp=True)) as (base, wire):
        async with placed(base, PAUSE + (WORDS + PAUSE) * CUTS) as (caller, _):
            for _turn in range(CUTS):
                await caller.until("speech_started")
                wire.cut()
                assert await caller.transcripts(1) == ["amber basil cedar"]
                wire.heard()
        assert wire.broken == CUTS


async def test_a_call_counts_as_a_session() -> None:
    with running_server(Tones(), calls=bind("127.0.0.1", 0, tcp=True), max_sessions=1) as server:
        assert (await post(server.base_url)).status_code == 201
        refused = await post(server.base_url)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")


async def test_calls_that_one_key_never_connects_leave_room_for_others() -> None:
    with running_server(Tones(), calls=bind("127.0.0.1", 0, tcp=True), api_keys=KEYS) as server:
        async with httpx2.AsyncClient(base_url=server.base_url) as client:

            async def offer(key: str) -> int:
                headers = {"content-type": "application/sdp", "authorization": f"Bearer {key}"}
                return (await client.post("/realtime/calls", content=CHROMIUM, headers=headers)).status_code

            statuses = [await offer(FIRST) for _ in range(PENDING)]
            assert 503 in statuses
            assert await offer(SECOND) == 201


async def test_shutdown_answers_the_open_turn_and_ends_the_call() -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running_server(Tones(), calls=bind("127.0.0.1", 0, tcp=True), grace=0.2))

        async def exchange(offer: str) -> str:
            return (await post(server.base_url, offer)).text

        async with calling(WORDS * 9, exchange) as caller:
            await caller.until("speech_started")
            leaving = asyncio.create_task(asyncio.to_thread(stack.pop_all().close))
            (transcript,) = await caller.transcripts(1)
            assert transcript.startswith("amber")
            await caller.closed.wait()
            await leaving


async def test_without_keys_all_clients_are_one_owner() -> None:
    with running_server(Tones(), calls=bind("127.0.0.1", 0, tcp=True)) as server:
        async with httpx2.AsyncClient(base_url=server.base_url) as client:
            secret = (await client.post("/realtime/client_secrets", json={})).json()["value"]
            placed = await post(server.base_url, headers={"authorization": f"Bearer {secret}"})
            async with sdk(server.base_url, "none-needed") as other:
                await other.realtime.calls.hangup(placed.headers["location"].rpartition("/")[2])


@pytest.mark.parametrize("path", ["/realtime/calls", "/realtime/translations/calls?model=gpt-realtime-translate"])
async def test_a_request_for_a_call_is_logged_with_its_caller(
    base: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "compat.access"):
        response = await post(base, "v=1", path=path)
        number = response.headers["x-request-id"]
        await asyncio.to_thread(until, lambda: number in str([vars(record) for record in caplog.records]))
    fields = (vars(record)["fields"] for record in caplog.records if record.name == "compat.access")
    [line] = [each for each in fields if each["request_id"] == number]
    assert (line["caller"], line["error"]) == ("key-1", "invalid_offer")


async def test_calls_by_sip_are_not_offered(base: str) -> None:
    response = await post(base, path="/realtime/calls/rtc_1/accept")
    assert response.status_code == 404
    assert "calls by SIP" in response.json()["error"]["message"]


async def test_without_a_port_there_are_no_calls() -> None:
    with running_server(Tones()) as without:
        responses = [await post(without.base_url, path=f"/realtime{path}/calls") for path in ("", "/translations")]
        async with sdk(without.base_url) as client:
            with pytest.raises(InvalidStatus) as refused:
                async with client.realtime.connect(call_id="rtc_x"):
                    """Not reached."""
    for response in responses:
        assert (response.status_code, response.json()["error"]["code"]) == (404, "unsupported_endpoint")
        assert "COMPAT_WEBRTC_PORT" in response.json()["error"]["message"]
    assert b"COMPAT_WEBRTC_PORT" in (refused.value.response.body or b"")
