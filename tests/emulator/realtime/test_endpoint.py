"""The realtime socket on a real port: upgrade, model, limits, faults, records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from socket import create_connection
from urllib.parse import urlsplit

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from compat.emulator.engine import Hypothesis
from compat.emulator.engines.moonshine import Moonshine
from compat.emulator.engines.tones import Tones
from compat.emulator.faults import Answer, Cut, Fault, Faults, Hang, Live, Refuse, Rule
from compat.emulator.live_endpoint import PATH
from compat.emulator.live_faults import Double, Erring, Fail, Late, LiveFault, Sever, Stall, Unit
from compat.emulator.live_settings import LiveLimits, LiveReadings
from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from tests.emulator.live_sockets import remaining, say
from tests.emulator.realtime.talk import (
    COMMIT,
    FINISH,
    HELLO,
    MANUAL,
    MODEL,
    Event,
    appended,
    frames,
    kinds,
    scripted,
    silence,
    spoken,
    transcripts,
    vad,
)
from tests.emulator.running import RunningEmulator, Start, started
from tests.server.test_websocket import WHOLE as HANDSHAKE

KEY = "Bearer sk-test"


@contextmanager
def connected(service: RunningEmulator, *, model: str | None = MODEL, key: str | None = KEY) -> Iterator[Connection]:
    query = "" if model is None else f"?model={model}"
    headers = {} if key is None else {"authorization": key}
    address = f"ws{service.url.removeprefix('http')}/api-ws/v1/realtime{query}"
    with connect(address, additional_headers=headers, proxy=None, open_timeout=20) as socket:
        yield socket


def receive(socket: Connection, until: str) -> list[Event]:
    """Return the events up to the first one whose type ends with `until`."""
    events: list[Event] = []
    while not events or not events[-1]["type"].endswith(until):
        events.append(json.loads(socket.recv(timeout=30)))
    return events


def refused(service: RunningEmulator, key: str | None = KEY, model: str = MODEL) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as caught, connected(service, key=key, model=model):
        pass
    return caught.value


def troubled(start: Start, *troubles: LiveFault) -> RunningEmulator:
    return struck(start, Live(troubles))


def struck(start: Start, fault: Fault) -> RunningEmulator:
    return start(engine=Tones(), faults=Faults((Rule("realtime", fault),)))


@pytest.mark.parametrize(
    ("key", "words"), [(None, "No API-key"), ("Basic x", "No API-key"), ("Bearer wrong", "Invalid API-key")]
)
def test_a_wrong_key_is_refused_at_the_upgrade(start: Start, key: str | None, words: str) -> None:
    response = refused(start(keys=frozenset({"sk-test"})), key).response

    assert response.status_code == 401
    body = json.loads(response.body)
    assert body["code"] == "InvalidApiKey"
    assert words in body["message"]


def test_a_model_that_is_retired_is_refused_at_the_upgrade(start: Start) -> None:
    response = refused(start(readings=Readings(retired=frozenset({MODEL})))).response

    assert (response.status_code, json.loads(response.body)["code"]) == (403, "AccessDenied")


@pytest.mark.parametrize("model", [None, "", "qwen3-asr-flash", "QWEN3-ASR-FLASH-REALTIME", "whisper-1"])
def test_an_unknown_model_is_closed_with_1007(start: Start, model: str | None) -> None:
    with connected(start(), model=model) as socket:
        events, closed = remaining(socket)

    assert events == []
    assert closed.rcvd is not None
    assert (closed.rcvd.code, closed.rcvd.reason) == (1007, "Model not found")


@pytest.mark.parametrize("model", [MODEL, f"{MODEL}-2025-10-27", f"{MODEL}-2026-02-10"])
def test_known_models_are_answered_with_their_name(start: Start, model: str) -> None:
    with connected(start(), model=model) as socket:
        (created,) = receive(socket, "created")

    assert created["session"]["model"] == model


@pytest.mark.parametrize("session", [vad(), MANUAL])
def test_a_session_from_its_opening_to_its_end(start: Start, session: Event) -> None:
    service = start(engine=Tones())
    service.emulator.live.keep_sound = True
    audio = spoken("amber", "basil") + silence(600)
    with connected(service) as socket:
        say(socket, {"type": "session.update", "session": session}, *frames(audio))
        say(socket, *([] if session is not MANUAL else [COMMIT]), FINISH)
        events = receive(socket, "finished")

    assert transcripts(events) == ["amber basil"]
    assert [event["type"] for event in events[:2]] == ["session.created", "session.updated"]
    (record,) = service.emulator.live.sessions
    assert bytes(record.sound) == audio
    sessions = httpx2.get(f"{service.url}/emulator/sessions", trust_env=False).json()
    assert sessions[0] | {"id": "", "closed": 0} == {
        "id": "",
        "model": MODEL,
        "headers": {},
        "updates": [session],
        "configuration": events[1]["session"],
        "transcribed": True,
        "frames": len(frames(audio)),
        "bytes": len(audio),
        "audio_ms": len(audio) // 32,
        "items": 1,
        "tasks": 0,
        "finished": True,
        "closed": 0,
    }


def test_sessions_are_counted_and_have_distinct_ids(start: Start) -> None:
    service = start(engine=Tones())
    with connected(service) as one, connected(service) as other:
        (first,), (second,) = receive(one, "created"), receive(other, "created")
        assert service.emulator.live.open == 2

    assert service.emulator.counts["realtime"] == 2
    assert [first["session"]["id"], second["session"]["id"]] == [record.id for record in service.emulator.live.sessions]


def test_a_binary_frame_is_closed_with_1007(start: Start) -> None:
    with connected(start()) as socket:
        socket.send(b"\0\0")
        _, closed = remaining(socket)

    assert closed.rcvd is not None
    assert (closed.rcvd.code, closed.rcvd.reason) == (1007, "Invalid payload data")


def test_an_error_leaves_the_socket_open(start: Start) -> None:
    with connected(start(engine=Tones())) as socket:
        socket.send("not json")
        assert receive(socket, "error")[-1]["error"]["type"] == "invalid_request_error"
        say(socket, *frames(spoken("amber")), FINISH)
        assert transcripts(receive(socket, "finished")) == ["amber"]


@pytest.mark.parametrize(
    ("limits", "messages", "reason"),
    [
        (LiveLimits(audio_seconds=0.5), frames(silence(500)), "maximum of audio"),
        (LiveLimits(session_seconds=0.1), [], "maximum duration"),
        (LiveLimits(idle_seconds=0.1), [], "for too long"),
    ],
)
def test_a_session_over_a_limit_is_closed_with_1001(
    start: Start, limits: LiveLimits, messages: list[Event], reason: str
) -> None:
    service = start(limits=Limits(live=limits))
    with connected(service) as socket:
        say(socket, *messages)
        _, closed = remaining(socket)

    assert closed.rcvd is not None
    assert closed.rcvd.code == 1001
    assert reason in closed.rcvd.reason
    assert service.emulator.live.sessions[0].closed == 1001


def test_readings_and_bounds_of_the_session_are_those_of_the_app(start: Start) -> None:
    service = start(
        engine=scripted(HELLO),
        readings=Readings(live=LiveReadings(text="at_end")),
        limits=Limits(live=LiveLimits(turn_seconds=1)),
    )
    with connected(service) as socket:
        say(socket, {"type": "session.update", "session": MANUAL}, appended(silence(2_000)))
        assert receive(socket, "error")[-1]["error"]["param"] == "audio"
        say(socket, *frames(silence(500)), COMMIT)
        events = receive(socket, "completed")

    assert {event["text"] for event in events if event["type"].endswith(".text")} == {""}


@pytest.mark.parametrize("fault", [Refuse(429, "Throttling.RateQuota"), Refuse(403, "AccessDenied"), Refuse(500, "X")])
def test_a_fault_refuses_the_upgrade(start: Start, fault: Refuse) -> None:
    service = struck(start, fault)

    response = refused(service).response

    assert (response.status_code, json.loads(response.body)["code"]) == (fault.status, fault.code)
    with connected(service) as socket:
        receive(socket, "created")


def test_a_fault_answers_the_upgrade_with_any_response(start: Start) -> None:
    assert refused(struck(start, Answer("<html>", 502, "text/html"))).response.body == b"<html>"


def test_a_fault_lets_the_upgrade_hang(start: Start) -> None:
    with connected(struck(start, Hang(0.05))) as socket:
        assert kinds(receive(socket, "created")) == ["created"]


def test_a_client_that_abandons_a_hanging_upgrade_is_not_an_error(caplog: pytest.LogCaptureFixture) -> None:
    with started(engine=Tones(), faults=Faults((Rule("realtime", Hang()),))) as service:
        with create_connection(("127.0.0.1", urlsplit(service.url).port or 0)) as gone:
            gone.sendall(
                b"\r\n".join([f"GET {PATH} HTTP/1.1".encode(), *HANDSHAKE, f"authorization: {KEY}".encode(), b"", b""])
            )
        with connected(service) as socket:
            receive(socket, "created")

    assert service.emulator.counts["realtime"] == 2
    assert [] == [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("trouble", [Sever(3), Sever(3 * 3_200, "bytes"), Cut(3 * 3_200)])
def test_a_fault_drops_the_connection_after_bytes_of_audio(start: Start, trouble: Sever | Cut) -> None:
    service = struck(start, trouble) if isinstance(trouble, Cut) else troubled(start, trouble)
    with connected(service) as socket:
        say(socket, *frames(silence(300)))
        events, closed = remaining(socket)

    assert kinds(events) == ["created"]
    assert closed.rcvd is None
    assert service.emulator.live.sessions[0].bytes == 3 * 3_200


def test_a_fault_drops_the_connection_after_events(start: Start) -> None:
    with connected(troubled(start, Sever(3, "events"))) as socket:
        say(socket, {"type": "session.update", "session": MANUAL}, *frames(spoken("amber")), COMMIT)
        events, closed = remaining(socket)

    assert kinds(events) == ["created", "updated", "committed"]
    assert closed.rcvd is None


@pytest.mark.parametrize("unit", ["events", "frames", "bytes"])
def test_a_fault_drops_the_connection_right_after_the_upgrade(start: Start, unit: Unit) -> None:
    with connected(troubled(start, Sever(0, unit))) as socket:
        events, closed = remaining(socket)

    assert kinds(events) == ["created"]
    assert closed.rcvd is None


@pytest.mark.parametrize("code", [1000, 1007, 1011, 4000])
def test_the_connection_is_closed_with_a_code(start: Start, code: int) -> None:
    with connected(troubled(start, Sever(1, code=code, reason="on demand"))) as socket:
        say(socket, appended(silence(100)))
        _, closed = remaining(socket)

    assert closed.rcvd is not None
    assert (closed.rcvd.code, closed.rcvd.reason) == (code, "on demand")


def test_a_fault_applies_to_one_session_only(start: Start) -> None:
    service = troubled(start, Sever(1, code=1011))
    with connected(service) as socket:
        say(socket, appended(silence(100)))
        remaining(socket)
    with connected(service) as socket:
        say(socket, *frames(spoken("amber")), FINISH)
        assert transcripts(receive(socket, "finished")) == ["amber"]


def test_an_injected_client_error_leaves_the_socket_open(start: Start) -> None:
    with connected(troubled(start, Erring(1, kind="invalid_request_error", code="c", message="m"))) as socket:
        say(socket, appended(silence(100)), FINISH)
        events = receive(socket, "finished")

    assert kinds(events) == ["created", "error", "finished"]
    assert events[1]["error"] == {
        "type": "invalid_request_error",
        "code": "c",
        "message": "m",
        "param": None,
        "event_id": None,
    }


def test_an_injected_server_error_closes_the_socket(start: Start) -> None:
    with connected(troubled(start, Erring(1, close=1011))) as socket:
        say(socket, appended(silence(100)))
        events, closed = remaining(socket)

    assert (kinds(events), events[-1]["error"]["type"]) == (["created", "error"], "server_error")
    assert closed.rcvd is not None
    assert closed.rcvd.code == 1011


def test_a_long_close_reason_is_truncated(start: Start) -> None:
    with connected(troubled(start, Erring(0, message="无" * 200, close=1011))) as socket:
        closed = remaining(socket)[1].rcvd

    assert closed is not None
    assert (closed.code, closed.reason) == (1011, "无" * 41)


def test_a_session_continues_after_a_stall(start: Start) -> None:
    with connected(troubled(start, Stall(1, seconds=0.05))) as socket:
        say(socket, *frames(spoken("amber")), FINISH)
        assert transcripts(receive(socket, "finished")) == ["amber"]


def test_no_events_after_a_stall_without_end(start: Start) -> None:
    service = troubled(start, Stall(2))
    with connected(service) as socket:
        say(socket, *frames(spoken("amber")), FINISH)
        receive(socket, "created")
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.2)

    assert service.emulator.live.sessions[0].frames == 2


def test_doubled_reordered_and_failed_events(start: Start) -> None:
    with connected(troubled(start, Double("committed"), Late(1, 2), Fail(2))) as socket:
        say(socket, {"type": "session.update", "session": MANUAL})
        say(socket, *[message for _ in range(2) for message in (*frames(spoken("amber")), COMMIT)], FINISH)
        events = receive(socket, "finished")

    turn = ["committed", "committed", "created", "text"]
    assert kinds(events) == ["created", "updated", *turn, *turn, "failed", "completed", "finished"]


def test_faults_can_be_armed_from_another_process(start: Start) -> None:
    service = start(engine=Tones())
    rules = [{"surface": "realtime", "fault": {"type": "live", "troubles": [{"type": "sever", "after": 1}]}}]
    httpx2.post(f"{service.url}/emulator/faults", json=rules, trust_env=False).raise_for_status()

    with connected(service) as socket:
        say(socket, appended(silence(100)))
        assert remaining(socket)[1].rcvd is None


def test_a_blocking_engine_runs_in_a_thread(start: Start) -> None:
    service = start(engine=Moonshine())
    with connected(service) as socket:
        say(socket, {"type": "session.update", "session": MANUAL}, *frames(silence(1_000)), FINISH)
        assert kinds(receive(socket, "finished")) == ["created", "updated", "finished"]


def test_hypotheses_of_each_turn_in_turn(start: Start) -> None:
    service = start(engine=scripted(HELLO, (Hypothesis("good bye"),)))
    with connected(service) as socket:
        say(socket, {"type": "session.update", "session": MANUAL})
        say(socket, *frames(silence(500)), COMMIT, *frames(silence(500)), COMMIT, FINISH)
        assert transcripts(receive(socket, "finished")) == ["hello world", "good bye"]
