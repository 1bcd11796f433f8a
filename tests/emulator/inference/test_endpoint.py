"""The run-task socket on a real port: the upgrade, limits of time, faults, records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from compat.emulator.engine import Engine
from compat.emulator.engines.moonshine import Moonshine
from compat.emulator.engines.tones import Tones
from compat.emulator.faults import Answer, Cut, Fault, Faults, Live, Refuse, Rule, preset_rules
from compat.emulator.live_faults import Double, Erring, Fail, Late, LiveFault, Reject, Sever, Stall
from compat.emulator.live_settings import TaskLimits, TaskReadings
from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from tests.emulator.inference.dialogue import AUDIO, MODEL, TASK, finals, finish, names, pieces, run
from tests.emulator.laptop import Laptop, Start
from tests.emulator.realtime.talk import Event, silence

KEY = "Bearer sk-test"


@contextmanager
def dialled(laptop: Laptop, *, key: str | None = KEY, path: str = "") -> Iterator[Connection]:
    headers = {} if key is None else {"authorization": key}
    address = f"ws{laptop.url.removeprefix('http')}/api-ws/v1/inference{path}"
    with connect(address, additional_headers=headers, proxy=None, open_timeout=20) as socket:
        yield socket


def say(socket: Connection, *messages: Event | bytes) -> None:
    for message in messages:
        socket.send(message if isinstance(message, bytes) else json.dumps(message))


def hear(socket: Connection, until: str = "task-finished") -> list[Event]:
    heard: list[Event] = []
    while not heard or heard[-1]["header"]["event"] != until:
        heard.append(json.loads(socket.recv(timeout=30)))
    return heard


def left(socket: Connection) -> tuple[list[Event], ConnectionClosed]:
    """All that is still said, and how it ends."""
    heard: list[Event] = []
    try:
        while True:
            heard.append(json.loads(socket.recv(timeout=30)))
    except ConnectionClosed as closed:
        return heard, closed


def ended(laptop: Laptop, *messages: Event | bytes) -> tuple[list[Event], int | None]:
    """What is said until the socket closes, and with which code."""
    with dialled(laptop) as socket:
        with suppress(ConnectionClosed):  # it may close before all is said
            say(socket, *messages)
        heard, closed = left(socket)
    return heard, closed.rcvd.code if closed.rcvd else None


def struck(start: Start, *faults: LiveFault) -> Laptop:
    return failing(start, Live(faults))


def failing(start: Start, fault: Fault) -> Laptop:
    return start(engine=Tones(), faults=Faults((Rule("inference", fault),)))


WHOLE: tuple[Event | bytes, ...] = (run(), *pieces(AUDIO), finish())


@pytest.mark.parametrize(
    ("key", "path"),
    [(KEY, ""), (KEY, "/"), ("bearer sk-test", ""), (None, "?api_key=sk-test"), (None, "/?api_key=sk-test")],
)
def test_the_address_and_the_key(start: Start, key: str | None, path: str) -> None:
    with dialled(start(engine=Tones(), keys=frozenset({"sk-test"})), key=key, path=path) as socket:
        say(socket, *WHOLE)
        assert ["amber basil", "cedar"] == finals(hear(socket))


@pytest.mark.parametrize(
    ("key", "path", "told"),
    [
        (None, "", "No API-key"),
        ("Bearer x", "", "Invalid API-key"),
        (None, "?api_key=x", "Invalid API-key"),
        (None, "?api_key=", "No API-key"),
    ],
)
def test_a_wrong_key_is_refused_at_the_upgrade(start: Start, key: str | None, path: str, told: str) -> None:
    laptop = start(keys=frozenset({"sk-test"}))
    with pytest.raises(InvalidStatus) as caught, dialled(laptop, key=key, path=path):
        pass

    assert 401 == caught.value.response.status_code
    assert told in json.loads(caught.value.response.body)["message"]
    assert {} == laptop.emulator.counts


def test_plain_http_is_not_supported(start: Start) -> None:
    answer = start().http.get("/api-ws/v1/inference")

    assert (400, "InvalidParameter") == (answer.status_code, answer.json()["code"])


def test_five_tasks_in_turn_are_recorded(start: Start) -> None:
    laptop = start(engine=Tones())
    laptop.emulator.live.keep_sound = True
    context = [{"role": "user", "content": [{"type": "input_text", "text": "Who?"}]}]
    with dialled(laptop) as socket:
        for number in range(5):
            say(socket, run(str(number), given={"context": context}), *pieces(AUDIO), finish(str(number)))
            assert ["amber basil", "cedar"] == finals(hear(socket))

    assert {"inference": 1} == laptop.emulator.counts
    assert [MODEL] * 5 == [request.model for request in laptop.emulator.requests]
    assert {"Who?"} == {request.context for request in laptop.emulator.requests}
    [told] = httpx2.get(f"{laptop.url}/emulator/sessions", trust_env=False).json()
    assert (MODEL, 5, 10, 5 * len(AUDIO)) == (told["model"], told["tasks"], told["items"], told["bytes"])
    assert AUDIO * 5 == bytes(laptop.emulator.live.sessions[0].sound)


@pytest.mark.parametrize("pongs", [True, False])
def test_pings_are_answered_or_not(start: Start, pongs: bool) -> None:
    with dialled(start(engine=Tones(), readings=Readings(pongs=pongs))) as socket:
        answered = socket.ping()
        say(socket, *WHOLE)
        assert ["amber basil", "cedar"] == finals(hear(socket))
        assert pongs is answered.is_set()


def test_an_engine_that_blocks_is_kept_off_the_loop(start: Start) -> None:
    with dialled(start(engine=Moonshine())) as socket:
        say(socket, run(), silence(1_000), finish())
        assert ["started", "finished"] == names(hear(socket))


def limited(start: Start, limits: TaskLimits, readings: TaskReadings | None = None) -> Laptop:
    reading = Readings(inference=readings or TaskReadings())
    return start(engine=Tones(), limits=Limits(inference=limits), readings=reading)


def test_a_task_without_data_fails(start: Start) -> None:
    heard, code = ended(limited(start, TaskLimits(request_seconds=0.1)), run(), silence(100))

    assert (["started", "failed"], 1000) == (names(heard), code)
    assert ("CLIENT_ERROR", "request timeout after 0.1 seconds.") == (
        heard[-1]["header"]["error_code"],
        heard[-1]["header"]["error_message"],
    )


def test_a_task_without_data_may_close_the_socket_only(start: Start) -> None:
    laptop = limited(start, TaskLimits(request_seconds=0.1), TaskReadings(no_data="closed"))

    assert ["started"] == names(ended(laptop, run(), silence(100))[0])


def test_a_task_without_data_may_go_on(start: Start) -> None:
    laptop = limited(start, TaskLimits(request_seconds=0, idle_seconds=0.1), TaskReadings(no_data="kept"))
    with dialled(laptop) as socket:
        say(socket, run())
        hear(socket, "task-started")
        say(socket, *WHOLE[1:])
        assert ["amber basil", "cedar"] == finals(hear(socket))


@pytest.mark.parametrize("messages", [(), WHOLE])
def test_a_socket_without_a_task_is_closed(start: Start, messages: tuple[Event | bytes, ...]) -> None:
    heard, code = ended(limited(start, TaskLimits(idle_seconds=0.1)), *messages)

    assert (bool(messages), 1000) == ("finished" in names(heard), code)


def test_a_socket_is_closed_after_its_time(start: Start) -> None:
    assert ([], 1001) == ended(limited(start, TaskLimits(session_seconds=0.1)))


def test_a_failed_task_closes_the_socket(start: Start) -> None:
    laptop = start(engine=Tones())
    heard, code = ended(laptop, run(model="qwen9"), *WHOLE)

    assert (["failed"], 1000) == (names(heard), code)
    assert 1000 == laptop.emulator.live.sessions[0].closed


@pytest.mark.parametrize("engine", [Tones(), Moonshine()])
def test_an_unreadable_message_closes_the_socket(start: Start, engine: Engine) -> None:
    assert ([], 1007) == ended(start(engine=engine), {"header": {}})


@pytest.mark.parametrize("fault", [Refuse(429, "Throttling.RateQuota"), Answer("<html>", 502, "text/html")])
def test_the_upgrade_is_refused_on_demand(start: Start, fault: Refuse | Answer) -> None:
    laptop = failing(start, fault)
    with pytest.raises(InvalidStatus) as caught, dialled(laptop):
        pass

    assert fault.status == caught.value.response.status_code
    with dialled(laptop) as socket:
        say(socket, *WHOLE)
        hear(socket)


@pytest.mark.parametrize(
    ("fault", "code", "heard"),
    [
        (Sever(3, code=1011), 1011, ["started"]),
        (Sever(3), None, ["started"]),
        (Sever(0), None, []),
        (Sever(1, "events"), None, ["started"]),
        (Erring(3, code="InternalError"), 1000, ["started", "failed"]),
        (Erring(3, close=1011), 1011, ["started", "failed"]),
        (Reject(), 1000, ["failed"]),
        (Fail(2), 1000, ["started", "partial", "final", "partial", "failed"]),
    ],
)
def test_the_task_breaks_on_demand(start: Start, fault: LiveFault, code: int | None, heard: list[str]) -> None:
    said, closed = ended(struck(start, fault), *WHOLE)

    assert (heard, code) == (names(said), closed)
    assert {TASK} >= {event["header"]["task_id"] for event in said}


def test_the_connection_breaks_after_so_much_audio(start: Start) -> None:
    laptop = failing(start, Cut(3 * 3_200))

    assert None is ended(laptop, *WHOLE)[1]
    assert 3 * 3_200 == laptop.emulator.live.sessions[0].bytes


def test_a_later_task_is_rejected_on_demand(start: Start) -> None:
    heard, _ = ended(struck(start, Reject(task=2)), *WHOLE, run("second"))

    assert "Requests rate limit exceeded, please try again later." == heard[-1]["header"]["error_message"]
    assert ("failed", "second") == (names(heard)[-1], heard[-1]["header"]["task_id"])


@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        (Double("task-started"), ["started", "started", "partial", "final", "partial", "final", "finished"]),
        (Late(1, 2), ["started", "partial", "final", "final", "finished"]),
        (Stall(3, seconds=0.05), ["started", "partial", "final", "partial", "final", "finished"]),
    ],
)
def test_the_run_of_events_on_demand(start: Start, fault: LiveFault, heard: list[str]) -> None:
    with dialled(struck(start, fault)) as socket:
        say(socket, *WHOLE)
        assert heard == names(hear(socket))


def test_a_stall_without_end_answers_nothing_more(start: Start) -> None:
    with dialled(struck(start, Stall(2))) as socket:
        say(socket, *WHOLE)
        hear(socket, "task-started")
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.2)


@pytest.mark.parametrize("preset", ["throttled", "internal", "timeout"])
def test_a_usual_refusal_is_a_failed_task(start: Start, preset: str) -> None:
    laptop = start(engine=Tones(), faults=Faults(tuple(preset_rules(preset))))

    assert (["failed"], 1000) == (names((told := ended(laptop, *WHOLE))[0]), told[1])


def test_a_wrong_key_is_refused_on_demand(start: Start) -> None:
    with pytest.raises(InvalidStatus), dialled(start(faults=Faults(tuple(preset_rules("bad-key"))))):
        pass
