"""The task surface: submit, query, list, cancel and result addresses."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import pytest

from compat.emulator.faults import Expire, Faults, Rule, Slow
from compat.emulator.readings import Readings
from tests.emulator.filetrans.tasks import AUDIO3, EVERY, FILETRANS, address, submitted
from tests.emulator.running import ASYNC, TRANSCRIPTION, Start


@pytest.mark.parametrize(
    ("model", "given", "denied", "status", "code"),
    [
        ("qwen3-asr-flash", {"file_url": "u"}, False, 400, "InvalidParameter"),
        ("qwen3-asr-flash", {"file_url": "u"}, True, 403, "AccessDenied"),
        ("qwen9", {"file_url": "u"}, False, 404, "ModelNotFound"),
        ("fun-asr", {"file_url": "u"}, False, 400, "InvalidParameter"),
        ("fun-asr", {"file_urls": []}, False, 400, "InvalidParameter"),
        (AUDIO3, {"file_urls": ["u", "v"]}, False, 400, "InvalidParameter"),
    ],
)
def test_invalid_submissions_are_refused(
    start: Start, model: str, given: dict[str, Any], denied: bool, status: int, code: str
) -> None:
    answer = start(readings=Readings(sync_on_async_denied=denied)).submit(model, given)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_language_hints_are_not_for_qwen3(start: Start) -> None:
    service = start()

    assert service.submit(FILETRANS, {"file_url": "u"}, True, language_hints=["en"]).status_code == 400
    assert service.submit("fun-asr", {"file_urls": ["u"]}, True, language_hints=["en"]).status_code == 200


@pytest.mark.parametrize(("refuse", "status"), [(False, 200), (True, 400)])
def test_an_unknown_language_under_both_readings(start: Start, refuse: bool, status: int) -> None:
    service = start(readings=Readings(refuse_unknown_language=refuse))

    assert service.submit(FILETRANS, {"file_url": "u"}, True, language="xx").status_code == status


@pytest.mark.parametrize("model", EVERY)
def test_a_submit_without_channels(start: Start, model: str) -> None:
    answer = start().submit(model, {"file_url": "u", "file_urls": ["u"]}, True, channel_id=[])

    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidParameter")
    assert "channel_id" in answer.json()["message"]


def test_a_submit_without_the_async_header(start: Start) -> None:
    answer = start().http.post(TRANSCRIPTION, json={"model": "fun-asr", "input": {"file_urls": ["u"]}})

    assert (answer.status_code, answer.json()["code"]) == (403, "AccessDenied")
    assert answer.json()["message"] == "current user api does not support synchronous calls."


def test_a_slow_task_runs_for_the_given_queries(start: Start) -> None:
    service = start(faults=Faults((Rule("submit", Slow(polls=2)),)))
    task_id = submitted(service)
    first, second = service.query(task_id)["output"], service.query(task_id)["output"]

    assert (first["task_status"], second["task_status"]) == ("RUNNING", "RUNNING")
    assert first["task_metrics"] == {"TOTAL": 1, "SUCCEEDED": 0, "FAILED": 0}
    assert "result" not in first
    assert service.finished(task_id)["output"]["task_status"] == "SUCCEEDED"


def test_a_slow_task_runs_for_the_given_time(start: Start) -> None:
    now = [1_795_000_000.0]
    service = start(faults=Faults((Rule("submit", Slow(seconds=60)),)), clock=lambda: now[0])
    task_id = submitted(service)

    assert service.query(task_id)["output"]["task_status"] == "RUNNING"
    now[0] += 61
    assert service.finished(task_id)["output"]["task_status"] == "SUCCEEDED"


def test_a_query_may_be_a_post(start: Start) -> None:
    service = start()

    assert service.http.post(f"/api/v1/tasks/{submitted(service)}").json()["output"]["task_id"]


def test_an_unknown_task_is_unknown(start: Start) -> None:
    now = [time.time()]
    service = start(clock=lambda: now[0])
    task_id = submitted(service)

    assert service.query("00000000")["output"] == {"task_id": "00000000", "task_status": "UNKNOWN"}
    stranger = httpx2.get(f"{service.url}/api/v1/tasks/{task_id}", headers={"authorization": "Bearer other"})
    assert stranger.json()["output"]["task_status"] == "UNKNOWN"
    service.finished(task_id)
    now[0] += 24 * 3600
    assert service.query(task_id)["output"]["task_status"] == "UNKNOWN"


CONTEXT = [{"role": "user", "content": [{"type": "input_text", "text": "Names: Ada."}]}]
CONTEXTS: list[tuple[list[Any], int]] = [
    (CONTEXT, 200),
    ([CONTEXT[0] | {"role": "assistant"}], 400),
    (["Names: Ada."], 400),
]


@pytest.mark.parametrize(("context", "status"), CONTEXTS)
def test_context_is_a_list_of_messages(start: Start, context: list[Any], status: int) -> None:
    service = start()
    answer = service.http.post(
        "/api/v1/services/audio/asr/transcription",
        headers={"x-dashscope-async": "enable"},
        json={
            "model": "qwen-audio-3.1-asr-flash-filetrans",
            "input": {"file_urls": ["https://a.example/a.wav"], "context": context},
        },
    )

    assert status == answer.status_code, answer.text
    if status == 200:
        assert "Names: Ada." == service.emulator.requests[-1].context


@pytest.mark.parametrize(
    ("status", "running_too", "answer"), [("PENDING", False, 200), ("RUNNING", False, 400), ("RUNNING", True, 200)]
)
def test_cancel(start: Start, status: Any, running_too: bool, answer: int) -> None:  # noqa: ANN401 - a Literal
    slow = Faults((Rule("submit", Slow(polls=100, status=status)),))
    service = start(faults=slow, readings=Readings(cancel_running=running_too))
    task_id = submitted(service)
    cancelled = service.http.post(f"/api/v1/tasks/{task_id}/cancel")

    assert cancelled.status_code == answer
    assert service.query(task_id)["output"]["task_status"] == ("CANCELED" if answer == 200 else status)
    if answer != 200:
        assert cancelled.json()["code"] == "UnsupportedOperation"


def test_the_list(start: Start) -> None:
    service = start(clock=lambda: 1_795_000_000.0)
    ids = [submitted(service, model) for model in EVERY]
    for task_id in ids:
        service.finished(task_id)

    def listed(**query: str) -> list[str]:
        body = service.http.get("/api/v1/tasks/", params=query).json()
        return [task["task_id"] for task in body["data"]]

    assert listed() == ids[::-1]
    assert listed(model_name="fun-asr") == [ids[1]]
    assert listed(status="FAILED") == []
    assert listed(page_no="2", page_size="3") == [ids[0]]
    assert listed(start_time="20261118190640", end_time="20261118190640") == ids[::-1]
    assert listed(end_time="20261118190639") == []


@pytest.mark.parametrize(
    "query",
    [
        {"page_no": "x"}, {"page_no": "0"}, {"page_no": "-1"}, {"page_size": "0"}, {"page_size": "101"},
        {"start_time": "zzz"}, {"end_time": "2026-11-18 19:06"}, {"start_time": "20261399000000"},
    ],
)  # fmt: skip
def test_invalid_list_queries_are_refused(start: Start, query: dict[str, str]) -> None:
    answer = start().http.get("/api/v1/tasks", params=query)

    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidParameter")
    assert next(iter(query)) in answer.json()["message"]


@pytest.mark.parametrize(("utc", "shown"), [(False, "19:06:40"), (True, "11:06:40")])
def test_times_under_both_readings(start: Start, utc: bool, shown: str) -> None:
    service = start(clock=lambda: 1_795_000_000.0, readings=Readings(task_times_utc=utc))

    assert service.query(submitted(service))["output"]["submit_time"] == f"2026-11-18 {shown}.000"


def test_a_result_expires(start: Start) -> None:
    now = [1_795_000_000.0]
    service = start(clock=lambda: now[0])
    url = address(service.transcribe(FILETRANS))

    assert httpx2.get(url).status_code == 200
    assert "SignatureDoesNotMatch" in httpx2.get(url.replace("Expires=1", "Expires=2")).text
    assert httpx2.get(url.partition("?")[0]).status_code == 403
    now[0] += 24 * 3600 + 1
    late = httpx2.get(url)
    assert (late.status_code, late.headers["content-type"]) == (403, "application/xml")
    assert "Request has expired." in late.text


def test_a_result_expires_by_a_fault(start: Start) -> None:
    service = start(faults=Faults((Rule("query", Expire(), times=None),)))
    url = address(service.transcribe(FILETRANS))
    assert httpx2.get(url).status_code == 403


def test_a_result_can_require_the_key(start: Start) -> None:
    service = start(readings=Readings(result_needs_key=True))
    url = address(service.transcribe(FILETRANS))

    assert (httpx2.get(url).status_code, service.http.get(url).status_code) == (401, 200)


def test_a_retired_model(start: Start) -> None:
    service = start(readings=Readings(retired=frozenset({"paraformer-v2"})))

    assert service.submit("paraformer-v2", {"file_urls": ["u"]}).json()["code"] == "AccessDenied"


def test_a_key_is_required(start: Start) -> None:
    url = start().url

    assert httpx2.post(url + TRANSCRIPTION, json={}, headers=ASYNC).json()["code"] == "InvalidApiKey"
    assert httpx2.get(f"{url}/api/v1/tasks/1").status_code == 401
