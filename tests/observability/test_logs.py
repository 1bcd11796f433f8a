from __future__ import annotations

import json
import logging

import pytest

from compat.observability.logs import JsonFormatter


def record(exc: BaseException | None = None, **fields: object) -> dict[str, object]:
    info = (type(exc), exc, exc.__traceback__) if exc else None
    entry = logging.LogRecord("compat.access", logging.INFO, "app.py", 1, "request", (), info)
    entry.fields = fields
    line: dict[str, object] = json.loads(JsonFormatter().format(entry))
    return line


def test_a_line_is_json_with_the_fields_beside_the_message() -> None:
    line = record(request_id="req_1", ms=1.5)

    assert {"level": "info", "logger": "compat.access", "message": "request", "request_id": "req_1", "ms": 1.5} == {
        name: value for name, value in line.items() if name != "time"
    }


def fail() -> None:
    try:
        _ = dict[str, str]()["a caller's words"]
    except KeyError as exc:
        raise RuntimeError("more of a caller's words") from exc


def test_an_exception_tells_kind_and_place_but_not_what_it_says() -> None:
    with pytest.raises(RuntimeError) as raised:
        fail()
    line = record(raised.value)

    told = line["exceptions"]
    assert isinstance(told, list)
    assert ["RuntimeError", "KeyError"] == [entry["type"] for entry in told]
    assert all("test_logs.py" in entry["at"][0] for entry in told)
    assert "caller's words" not in json.dumps(line)
