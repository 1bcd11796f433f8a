"""Faults on demand, in the process and over HTTP, and the records of requests."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec
import pytest

from compat.emulator.faults import (
    Answer,
    ArmedFaults,
    Break,
    Cut,
    Expire,
    FailFile,
    FailTask,
    Fault,
    Faults,
    Hang,
    Refuse,
    Rule,
    Slow,
)
from tests.emulator.running import CHAT, Start, chunks, data_uri, wav


@pytest.mark.parametrize(
    ("nth", "times", "struck"),
    [(1, 1, [1]), (3, 1, [3]), (2, 2, [2, 3]), (3, None, [3, 4, 5])],
)
def test_a_rule_applies_by_count(nth: int, times: int | None, struck: list[int]) -> None:
    book = ArmedFaults(Faults((Rule("chat", Hang(), nth, times),)))

    assert [call for call in range(1, 6) if book.take("query") is None and book.take("chat") is not None] == struck


def test_the_first_rule_that_applies_wins_and_all_rules_count() -> None:
    book = ArmedFaults(Faults((Rule("chat", Cut(1), 2), Rule("chat", Cut(2), 1, 3))))

    assert [book.take("chat") for _ in range(4)] == [Cut(2), Cut(1), Cut(2), None]


@pytest.mark.parametrize(
    ("surface", "fault"),
    [
        ("chat", FailTask("X")),
        ("query", FailFile("X")),
        ("query", Slow()),
        ("chat", Expire()),
        ("submit", Break()),
    ],
)
def test_a_fault_of_another_surface_is_invalid(surface: Any, fault: Fault) -> None:  # noqa: ANN401 - a Literal
    with pytest.raises(ValueError, match="applies to"):
        Rule(surface, fault)


@pytest.mark.parametrize("retry_after", [None, 3])
@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "limit_requests"), (500, "internal_error"), (503, "ModelUnavailable"), (400, "Arrearage")],
)
def test_refusals_in_the_compatible_shape(start: Start, status: int, code: str, retry_after: float | None) -> None:
    service = start(faults=Faults((Rule("chat", Refuse(status, code, "no", retry_after)),)))
    answer = service.chat()

    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["message"]) == (
        status,
        code,
        "no",
    )
    assert answer.headers.get("retry-after") == (None if retry_after is None else "3")
    assert service.chat().status_code == 200


def test_refusals_in_the_native_shape(start: Start) -> None:
    service = start(faults=Faults((Rule("generation", Refuse(429, "Throttling.RateQuota", "no")),)))
    answer = service.generate()

    assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (429, "Throttling.RateQuota", "no")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [("{", "application/json"), ("<html>", "text/html"), ('{"error":{"code":"x"}}', "application/json")],
)
def test_any_body_under_200(start: Start, body: str, content_type: str) -> None:
    answer = start(faults=Faults((Rule("chat", Answer(body, content_type=content_type)),))).chat()

    assert (answer.status_code, answer.text) == (200, body)
    assert answer.headers["content-type"].startswith(content_type)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("after", [0, 1, 100])
def test_a_connection_cut(start: Start, stream: bool, after: int) -> None:
    service = start(faults=Faults((Rule("chat", Cut(after)),)))
    part = {"type": "input_audio", "input_audio": {"data": data_uri(wav())}}
    body = {"model": "qwen3-asr-flash", "messages": [{"role": "user", "content": [part]}], "stream": stream}
    heard = bytearray()

    def hear(answer: httpx2.Response) -> None:
        for block in answer.iter_raw():
            heard.extend(block)

    with service.http.stream("POST", CHAT, json=body) as answer, pytest.raises(httpx2.RemoteProtocolError):
        hear(answer)
    assert len(heard) == after


def test_a_cut_after_an_answer_without_a_body_is_announced(start: Start) -> None:
    service = start(faults=Faults((Rule("store", Cut()),)))
    policy = service.http.get("/api/v1/uploads", params={"action": "getPolicy", "model": "fun-asr"}).json()["data"]

    assert "close" == service.post_form(policy, wav()).headers["connection"]


def test_a_hang_without_end(start: Start) -> None:
    service = start(faults=Faults((Rule("chat", Hang()),)))

    with pytest.raises(httpx2.ReadTimeout):
        service.http.post(CHAT, json={}, timeout=0.2)
    assert service.chat().status_code == 200


def test_a_hang_for_some_seconds(start: Start) -> None:
    assert start(faults=Faults((Rule("chat", Hang(0.01)),))).chat().status_code == 200


def test_a_broken_stream(start: Start) -> None:
    answer = start(faults=Faults((Rule("chat", Break(after=2, code="internal_error")),))).chat(stream=True)

    assert answer.status_code == 200
    assert [("error" in chunk) for chunk in chunks(answer)] == [False, False, True]
    assert "[DONE]" not in answer.text


def test_faults_over_http(start: Start) -> None:
    service = start()
    rules = msgspec.json.encode([Rule("chat", Refuse(429, "limit_requests"), times=2)])

    assert service.http.post("/emulator/faults", content=rules).status_code == 204
    assert [service.chat().status_code for _ in range(3)] == [429, 429, 200]
    service.http.post("/emulator/faults", content=rules)
    assert service.http.post("/emulator/faults", json=[]).status_code == 204
    assert service.chat().status_code == 200


@pytest.mark.parametrize("body", [b"{", b'[{"surface":"nowhere","fault":{"type":"hang"}}]', b'[{"surface":"chat"}]'])
def test_invalid_rules_are_refused(start: Start, body: bytes) -> None:
    assert start().http.post("/emulator/faults", content=body).status_code == 400


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"type": "cut", "after": -3}, "after"),
        ({"type": "break", "after": -1}, "after"),
        ({"type": "hang", "seconds": -1}, "seconds"),
        ({"type": "answer", "body": "x", "status": 99}, "status"),
        ({"type": "answer", "body": "x", "content_type": "a\r\nX-Y: 1"}, "content_type"),
        ({"type": "refuse", "status": 600, "code": "x"}, "status"),
        ({"type": "refuse", "status": 429, "code": "x", "retry_after": -1}, "retry_after"),
    ],
)
def test_a_fault_out_of_bounds_names_its_field(start: Start, fault: dict[str, object], field: str) -> None:
    answer = start().http.post("/emulator/faults", json=[{"surface": "chat", "fault": fault}])

    assert answer.status_code == 400
    assert f".{field}`" in answer.json()["message"]


def test_counts_and_requests_over_http(start: Start) -> None:
    service = start()
    service.chat(asr_options={"language": "en"})
    service.transcribe("qwen3-asr-flash-filetrans", enable_words=True)
    counts = service.http.get("/emulator/counts").json()
    seen = service.http.get("/emulator/requests").json()

    assert {name: counts[name] for name in ("chat", "policy", "store", "submit")} == dict.fromkeys(
        ("chat", "policy", "store", "submit"), 1
    )
    assert seen[0] == {
        "surface": "chat",
        "model": "qwen3-asr-flash",
        "parameters": {"stream": False, "asr_options": {"language": "en"}},
        "headers": {},
        "audio": "data:audio/wav",
        "context": None,
    }
    submit = next(one for one in seen if one["surface"] == "submit")
    assert (submit["parameters"], submit["audio"]) == ({"enable_words": True}, "oss")
    assert submit["headers"] == {"x-dashscope-async": "enable", "x-dashscope-ossresourceresolve": "enable"}
    assert "sk-test" not in str(seen)


def test_a_reset_clears_everything(start: Start) -> None:
    service = start(faults=Faults((Rule("chat", Refuse(500, "x"), nth=2),)))
    service.chat()
    assert service.http.post("/emulator/reset").status_code == 204

    assert service.http.get("/emulator/counts").json() == {}
    assert service.http.get("/emulator/requests").json() == []
    assert service.chat().status_code == 200
