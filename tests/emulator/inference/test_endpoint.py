"""The run-task socket on a real port: upgrade, timeouts, faults, records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.connection import Connection
from websockets.typing import Origin

from compat.emulator.engine import Engine
from compat.emulator.engines.moonshine import Moonshine
from compat.emulator.engines.tones import Tones
from compat.emulator.faults import Answer, Cut, Fault, Faults, Live, Refuse, Rule, preset_rules
from compat.emulator.live_faults import Double, Erring, Fail, Late, LiveFault, Reject, Sever, Stall
from compat.emulator.live_settings import TaskLimits, TaskReadings
from compat.emulator.readings import Readings
from compat.emulator.site import LOOPBACK, SERVICE, Site
from compat.emulator.state import Limits
from tests.emulator.inference.dialogue import AUDIO, MODEL, TASK, finals, finish, names, pieces, run
from tests.emulator.live_sockets import remaining, say
from tests.emulator.realtime.talk import Event, silence
from tests.emulator.running import RunningEmulator, Start

KEY = "Bearer sk-test"


@contextmanager
def connected(service: RunningEmulator, *, key: str | None = KEY, path: str = "") -> Iterator[Connection]:
    headers = {} if key is None else {"authorization": key}
    address = f"ws{service.url.removeprefix('http')}/api-ws/v1/inference{path}"
    with connect(address, additional_headers=headers, proxy=None, open_timeout=20) as socket:
        yield socket


def receive(socket: Connection, until: str = "task-finished") -> list[Event]:
    events: list[Event] = []
    while not events or events[-1]["header"]["event"] != until:
        events.append(json.loads(socket.recv(timeout=30)))
    return events


def until_closed(service: RunningEmulator, *messages: Event | bytes) -> tuple[list[Event], int | None]:
    """Send messages; return the events until the socket closes, and the close code."""
    with connected(service) as socket:
        with suppress(ConnectionClosed):  # it may close before all messages are sent
            say(socket, *messages)
        events, closed = remaining(socket)
    return events, closed.rcvd.code if closed.rcvd else None


def with_faults(start: Start, *faults: LiveFault) -> RunningEmulator:
    return with_fault(start, Live(faults))


def with_fault(start: Start, fault: Fault) -> RunningEmulator:
    return start(engine=Tones(), faults=Faults((Rule("inference", fault),)))


WHOLE: tuple[Event | bytes, ...] = (run(), *pieces(AUDIO), finish())


@pytest.mark.parametrize(
    ("key", "path"),
    [(KEY, ""), (KEY, "/"), ("bearer sk-test", ""), (None, "?api_key=sk-test"), (None, "/?api_key=sk-test")],
)
def test_the_key_is_in_the_header_or_in_the_query(start: Start, key: str | None, path: str) -> None:
    with connected(start(engine=Tones(), keys=frozenset({"sk-test"})), key=key, path=path) as socket:
        say(socket, *WHOLE)
        assert ["amber basil", "cedar"] == finals(receive(socket))


@pytest.mark.parametrize(
    ("key", "path", "message"),
    [
        (None, "", "No API-key"),
        ("Bearer x", "", "Invalid API-key"),
        (None, "?api_key=x", "Invalid API-key"),
        (None, "?api_key=", "No API-key"),
    ],
)
def test_a_wrong_key_is_refused_at_the_upgrade(start: Start, key: str | None, path: str, message: str) -> None:
    service = start(keys=frozenset({"sk-test"}))
    with pytest.raises(InvalidStatus) as caught, connected(service, key=key, path=path):
        pass

    assert 401 == caught.value.response.status_code
    assert message in json.loads(caught.value.response.body)["message"]
    assert {} == service.emulator.counts


@pytest.mark.parametrize(
    ("origin", "keys", "taken"),
    [
        ("http://localhost:3000", None, True),
        ("https://console.aliyuncs.com", None, True),
        ("https://page.example", None, False),
        ("null", None, False),
        ("https://page.example", frozenset({"sk-test"}), True),
    ],
)
def test_a_page_needs_a_known_origin_where_any_key_is_accepted(
    start: Start, origin: str, keys: frozenset[str] | None, taken: bool
) -> None:
    service = start(engine=Tones(), keys=keys, site=Site(hosts=LOOPBACK | {SERVICE}))
    address = f"ws{service.url.removeprefix('http')}/api-ws/v1/inference?api_key=sk-test"
    refused: AbstractContextManager[object] = nullcontext() if taken else pytest.raises(InvalidStatus, match="403")
    with refused, connect(address, origin=Origin(origin), proxy=None) as socket:
        say(socket, *WHOLE)
        receive(socket)


def test_plain_http_is_not_supported(start: Start) -> None:
    answer = start().http.get("/api-ws/v1/inference")

    assert (400, "InvalidParameter") == (answer.status_code, answer.json()["code"])


def test_five_tasks_on_one_socket_are_recorded(start: Start) -> None:
    service = start(engine=Tones())
    service.emulator.live.keep_sound = True
    context = [{"role": "user", "content": [{"type": "input_text", "text": "Who?"}]}]
    with connected(service) as socket:
        for number in range(5):
            say(socket, run(str(number), given={"context": context}), *pieces(AUDIO), finish(str(number)))
            assert ["amber basil", "cedar"] == finals(receive(socket))

    assert {"inference": 1} == service.emulator.counts
    assert [MODEL] * 5 == [request.model for request in service.emulator.requests]
    assert {"Who?"} == {request.context for request in service.emulator.requests}
    [record] = httpx2.get(f"{service.url}/emulator/sessions", trust_env=False).json()
    assert (MODEL, 5, 10, 5 * len(AUDIO)) == (record["model"], record["tasks"], record["items"], record["bytes"])
    assert (5 * len(AUDIO) // 32, True) == (record["audio_ms"], record["finished"])
    assert run("0", given={"context": context})["payload"] == record["updates"][0]
    assert AUDIO * 5 == bytes(service.emulator.live.sessions[0].sound)


@pytest.mark.parametrize("pongs", [True, False])
def test_pings_are_answered_unless_the_reading_disables_pongs(start: Start, pongs: bool) -> None:
    with connected(start(engine=Tones(), readings=Readings(pongs=pongs))) as socket:
        pong = socket.ping()
        say(socket, *WHOLE)
        assert ["amber basil", "cedar"] == finals(receive(socket))
        assert pongs is pong.is_set()


def test_a_blocking_engine_runs_in_a_thread(start: Start) -> None:
    with connected(start(engine=Moonshine())) as socket:
        say(socket, run(), silence(1_000), finish())
        assert ["started", "finished"] == names(receive(socket))


def with_limits(start: Start, limits: TaskLimits, readings: TaskReadings | None = None) -> RunningEmulator:
    reading = Readings(inference=readings or TaskReadings())
    return start(engine=Tones(), limits=Limits(inference=limits), readings=reading)


def test_a_task_without_data_fails(start: Start) -> None:
    events, code = until_closed(with_limits(start, TaskLimits(request_seconds=0.1)), run(), silence(100))

    assert (["started", "failed"], 1000) == (names(events), code)
    assert ("CLIENT_ERROR", "request timeout after 0.1 seconds.") == (
        events[-1]["header"]["error_code"],
        events[-1]["header"]["error_message"],
    )


def test_the_reading_closed_closes_the_socket_of_a_task_without_data(start: Start) -> None:
    service = with_limits(start, TaskLimits(request_seconds=0.1), TaskReadings(no_data="closed"))

    assert ["started"] == names(until_closed(service, run(), silence(100))[0])


def test_the_reading_kept_continues_a_task_without_data(start: Start) -> None:
    service = with_limits(start, TaskLimits(request_seconds=0, idle_seconds=0.1), TaskReadings(no_data="kept"))
    with connected(service) as socket:
        say(socket, run())
        receive(socket, "task-started")
        say(socket, *WHOLE[1:])
        assert ["amber basil", "cedar"] == finals(receive(socket))


@pytest.mark.parametrize(("messages", "idle"), [((), 0.1), (WHOLE, 2.0)])  # a busy machine sends the messages slowly
def test_a_socket_without_a_task_is_closed(start: Start, messages: tuple[Event | bytes, ...], idle: float) -> None:
    events, code = until_closed(with_limits(start, TaskLimits(idle_seconds=idle)), *messages)

    assert (bool(messages), 1000) == ("finished" in names(events), code)


def test_a_socket_is_closed_after_its_maximum_duration(start: Start) -> None:
    assert ([], 1001) == until_closed(with_limits(start, TaskLimits(session_seconds=0.1)))


def test_a_failed_task_closes_the_socket(start: Start) -> None:
    service = start(engine=Tones())
    events, code = until_closed(service, run(model="qwen9"), *WHOLE)

    assert (["failed"], 1000) == (names(events), code)
    assert 1000 == service.emulator.live.sessions[0].closed


@pytest.mark.parametrize("engine", [Tones(), Moonshine()])
def test_an_unreadable_message_closes_the_socket(start: Start, engine: Engine) -> None:
    assert ([], 1007) == until_closed(start(engine=engine), {"header": {}})


@pytest.mark.parametrize("fault", [Refuse(429, "Throttling.RateQuota"), Answer("<html>", 502, "text/html")])
def test_a_fault_refuses_the_upgrade(start: Start, fault: Refuse | Answer) -> None:
    service = with_fault(start, fault)
    with pytest.raises(InvalidStatus) as caught, connected(service):
        pass

    assert fault.status == caught.value.response.status_code
    with connected(service) as socket:
        say(socket, *WHOLE)
        receive(socket)


@pytest.mark.parametrize(
    ("fault", "code", "expected"),
    [
        (Sever(3, code=1011), 1011, ["started"]),
        (Erring(3, code="InternalError"), 1000, ["started", "failed"]),
        (Erring(3, close=1011), 1011, ["started", "failed"]),
        (Reject(), 1000, ["failed"]),
        (Fail(2), 1000, ["started", "partial", "final", "partial", "failed"]),
    ],
)
def test_faults_end_the_task(start: Start, fault: LiveFault, code: int, expected: list[str]) -> None:
    events, closed = until_closed(with_faults(start, fault), *WHOLE)

    assert (expected, code) == (names(events), closed)
    assert {TASK} >= {event["header"]["task_id"] for event in events}


@pytest.mark.parametrize("fault", [Sever(3), Sever(0), Sever(1, "events")])
def test_a_fault_drops_the_connection(start: Start, fault: Sever) -> None:
    events, code = until_closed(with_faults(start, fault), *WHOLE)

    assert code is None
    assert names(events) in ([], ["started"])  # a reset may overtake the event


def test_a_fault_drops_the_connection_after_bytes_of_audio(start: Start) -> None:
    service = with_fault(start, Cut(3 * 3_200))

    assert None is until_closed(service, *WHOLE)[1]
    assert 3 * 3_200 == service.emulator.live.sessions[0].bytes


def test_a_fault_rejects_a_later_task(start: Start) -> None:
    events, _ = until_closed(with_faults(start, Reject(task=2)), *WHOLE, run("second"))

    assert "Requests rate limit exceeded, please try again later." == events[-1]["header"]["error_message"]
    assert ("failed", "second") == (names(events)[-1], events[-1]["header"]["task_id"])


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Double("task-started"), ["started", "started", "partial", "final", "partial", "final", "finished"]),
        (Late(1, 2), ["started", "partial", "final", "final", "finished"]),
        (Stall(3, seconds=0.05), ["started", "partial", "final", "partial", "final", "finished"]),
    ],
)
def test_faults_repeat_reorder_and_delay_events(start: Start, fault: LiveFault, expected: list[str]) -> None:
    with connected(with_faults(start, fault)) as socket:
        say(socket, *WHOLE)
        assert expected == names(receive(socket))


def test_no_events_after_a_stall_without_end(start: Start) -> None:
    with connected(with_faults(start, Stall(2))) as socket:
        say(socket, *WHOLE)
        receive(socket, "task-started")
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.2)


@pytest.mark.parametrize("preset", ["throttled", "internal", "timeout"])
def test_a_preset_fault_fails_the_task(start: Start, preset: str) -> None:
    events, code = until_closed(start(engine=Tones(), faults=Faults(tuple(preset_rules(preset)))), *WHOLE)

    assert (["failed"], 1000) == (names(events), code)


def test_the_preset_bad_key_refuses_the_upgrade(start: Start) -> None:
    with pytest.raises(InvalidStatus), connected(start(faults=Faults(tuple(preset_rules("bad-key"))))):
        pass
