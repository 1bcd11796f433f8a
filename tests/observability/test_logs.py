from __future__ import annotations

import errno
import json
import logging
import os

import pytest
from stamina.instrumentation import RetryDetails

from compat.errors import ServiceFailed
from compat.observability.human import HumanFormatter
from compat.observability.logs import WAITING, JsonFormatter, ThreadedHandler, retried


def record(exc: BaseException | None = None, **fields: object) -> dict[str, object]:
    info = (type(exc), exc, exc.__traceback__) if exc else None
    entry = logging.LogRecord("compat.access", logging.INFO, "app.py", 1, "request", (), info)
    entry.fields = fields
    formatted: dict[str, object] = json.loads(JsonFormatter().format(entry))
    return formatted


def test_an_entry_is_json_with_the_fields_next_to_the_message() -> None:
    entry = record(request_id="req_1", ms=1.5)

    assert {"level": "info", "logger": "compat.access", "message": "request", "request_id": "req_1", "ms": 1.5} == {
        name: value for name, value in entry.items() if name != "time"
    }


def fail() -> None:
    try:
        _ = dict[str, str]()["a caller's words"]
    except KeyError as exc:
        raise RuntimeError("more of a caller's words") from exc


def test_an_exception_is_logged_with_type_and_place_but_without_its_message() -> None:
    with pytest.raises(RuntimeError) as raised:
        fail()
    entry = record(raised.value)

    exceptions = entry["exceptions"]
    assert isinstance(exceptions, list)
    assert ["RuntimeError", "KeyError"] == [each["type"] for each in exceptions]
    assert all("test_logs.py" in each["at"][0] for each in exceptions)
    assert "caller's words" not in json.dumps(entry)


def test_a_system_error_is_logged_with_its_code() -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "/spool/a caller's words")
    exceptions = record(error)["exceptions"]

    assert [{"type": "OSError", "errno": "ENOSPC", "at": []}] == exceptions


def test_a_repeated_call_is_logged_with_its_error(caplog: pytest.LogCaptureFixture) -> None:
    error = ServiceFailed("more of a caller's words")
    retried(RetryDetails("a name", (), {}, retry_num=2, wait_for=0.21, waited_so_far=0.1, caused_by=error))

    [entry] = caplog.records
    assert {"attempt": 2, "error": "upstream_error", "wait_seconds": 0.2} == entry.__dict__["fields"]


def test_a_stalled_reader_delays_nothing_and_dropped_entries_are_counted() -> None:
    reader, writer = os.pipe()
    handler = ThreadedHandler(writer)
    handler.setFormatter(JsonFormatter())
    total = WAITING + 5000  # more than the queue and the pipe hold
    for number in range(total):
        handler.emit(logging.LogRecord("compat", logging.INFO, "", 0, f"entry {number}", (), None))

    numbers: list[int] = []
    dropped = 0
    with os.fdopen(reader) as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["message"] == "log entries were dropped":
                dropped += entry["entries"]
            else:
                numbers.append(int(entry["message"].removeprefix("entry ")))
            if len(numbers) + dropped == total:
                break
    assert sorted(set(numbers)) == numbers
    assert 0 < dropped <= 5000
    os.close(writer)


def test_entries_are_dropped_when_the_reader_has_closed_the_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    handler = ThreadedHandler(writer)
    handler.emit(logging.LogRecord("compat", logging.INFO, "", 0, "entry", (), None))
    handler.flush()
    os.close(writer)


def line(fields: dict[str, object], message: str = "request", level: int = 20, *, colours: bool = False) -> str:
    entry = logging.LogRecord("compat.access", level, "app.py", 1, message, (), None)
    entry.fields = fields
    return HumanFormatter({"worker": 2}, colours=colours).format(entry).partition(" ")[2]


REQUEST = {
    "request_id": "r1",
    "method": "GET",
    "path": "/v1/models",
    "status": 404,
    "ms": 1234.5,
    "model": "a b",
    "error": None,
}
LINES = [
    (line(REQUEST), 'GET /v1/models 404 1.2 s  worker=2 model="a b" request_id=r1'),
    (
        line({**REQUEST, "path": "/\x1b[2J", "ms": 3.2, "model": ""}),
        'GET "/\\u001b[2J" 404 3 ms  worker=2 model="" request_id=r1',
    ),
    (
        line({"in": 2.0}, "call repeated", logging.WARNING),
        "warning call repeated  worker=2 in=2.0",
    ),
    (
        line({"exceptions": [{"type": "OSError", "at": ["a.py:1 f"]}]}, "failed", logging.ERROR),
        "error failed  worker=2\n  OSError\n    a.py:1 f",
    ),
    (
        line(REQUEST, colours=True),
        'GET /v1/models \x1b[33m404\x1b[0m 1.2 s\x1b[2m  worker=2 model="a b" request_id=r1\x1b[0m',
    ),
]


@pytest.mark.parametrize(("written", "expected"), LINES)
def test_a_line_for_people_has_the_request_first_and_executes_nothing(written: str, expected: str) -> None:
    assert expected == written
