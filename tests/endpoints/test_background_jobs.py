"""Background jobs: status, result formats, cancellation, deletion, ownership and webhooks."""

from __future__ import annotations

import base64
import json
import logging
import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import FailTask, Refuse, Rule
from tests.audio.media import make
from tests.endpoints.job_requests import (
    HOURS,
    MODEL,
    SENTENCES,
    TEXT,
    finish,
    finished,
    look,
    polled_twice,
    send,
    slow,
    submits,
)
from tests.polling import until
from tests.running import RunningServer, running_server
from tests.servers import serve

SECRET = b"twenty-four random bytes"


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """Run a server that keeps jobs for an hour, as the default settings do."""
    with running_server(Scripted(SENTENCES), job_retention=HOURS, job_grace=HOURS) as opened:
        yield opened


FORMATS = [
    ("json", "application/json", TEXT),
    ("text", "text/plain; charset=utf-8", TEXT),
    ("srt", "text/plain; charset=utf-8", "00:00:00,100 --> 00:00:01,100"),
    ("vtt", "text/plain; charset=utf-8", "WEBVTT"),
    ("verbose_json", "application/json", '"segments"'),
]


@pytest.mark.parametrize(("name", "content_type", "held"), FORMATS)
def test_a_background_job_returns_its_result_in_the_requested_format(
    server: RunningServer, speech: bytes, name: str, content_type: str, held: str
) -> None:
    slow(server)
    accepted = send(server, speech, background="true", response_format=name, temperature="0.5")
    job = accepted.json()["id"]
    waiting = look(server, job)
    until(lambda: look(server, job).json()["status"] == "in_progress")
    finish(server)
    answer = finished(server, job)

    assert (202, 202, 200) == (accepted.status_code, waiting.status_code, answer.status_code)
    assert ("transcription.job", MODEL) == (accepted.json()["object"], accepted.json()["model"])
    assert accepted.json()["status"] in ("queued", "in_progress")
    assert content_type == answer.headers["content-type"]
    assert held in answer.text
    assert "temperature" == accepted.headers["x-compat-ignored"] == answer.headers["x-compat-ignored"]
    assert "filetrans" == answer.headers["x-compat-road"]


def test_the_audio_of_a_background_job_is_mixed_down_and_undecodable_audio_refused(
    server: RunningServer, tmp_path: Path
) -> None:
    two = make("m4a", bytes(range(256)) * 1000, 16000, 2, tmp_path / "two.m4a").read_bytes()
    first, last = two.index(b"mdat") + 4, two.index(b"moov") - 4
    whole, mute = (
        send(server, audio, background="true") for audio in (two, two[:first] + bytes(last - first) + two[last:])
    )

    assert TEXT == finished(server, whole.json()["id"]).json()["text"]
    assert (400, "invalid_audio") == (mute.status_code, mute.json()["error"]["code"])
    assert 1 == submits(server)


def test_background_jobs_in_two_formats_share_a_task(server: RunningServer, speech: bytes) -> None:
    slow(server)
    jobs = [
        send(server, speech, background="true", response_format=name).json()["id"] for name in ("json", "text", "json")
    ]
    finish(server)
    answers = [finished(server, job) for job in jobs]

    assert jobs[0] == jobs[2] != jobs[1]
    assert [TEXT] * 3 == [answers[0].json()["text"], answers[1].text.strip(), answers[2].json()["text"]]
    assert 1 == submits(server)


def test_audio_is_counted_once_however_often_its_transcript_is_fetched(server: RunningServer, speech: bytes) -> None:
    def counted() -> float:
        text = httpx2.get(server.base_url.removesuffix("/v1") + "/metrics").text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if "audio_seconds_total{" in line)

    before = counted()
    job = send(server, speech, background="true").json()["id"]
    seconds = [finished(server, job).json()["usage"]["seconds"] for _ in range(2)]
    send(server, speech)

    assert counted() == before + seconds[0]


def test_short_audio_can_be_a_background_job(server: RunningServer, speech: bytes) -> None:
    accepted = send(server, speech, background="true", model="whisper-1")

    assert 202 == accepted.status_code
    assert TEXT == finished(server, accepted.json()["id"]).json()["text"]
    assert (1, 0) == (server.counts["chat"], submits(server))


def test_a_failed_job_reports_its_error(server: RunningServer, speech: bytes) -> None:
    server.fail(Rule("submit", FailTask("DECODE_ERROR")))
    failed = finished(server, send(server, speech, background="true").json()["id"])

    assert (200, "failed") == (failed.status_code, failed.json()["status"])
    assert ("invalid_audio", "file") == (failed.json()["error"]["code"], failed.json()["error"]["param"])
    assert "DECODE_ERROR" in failed.json()["error"]["message"]


ENDS = [
    ([], {"state": "completed", "billed_seconds": 3.0}),
    ([Rule("submit", FailTask("DECODE_ERROR"))], {"state": "failed", "error": "invalid_audio"}),
    ([Rule("submit", Refuse(401, "InvalidApiKey"))], {"state": "failed", "error": "invalid_api_key"}),
]


@pytest.mark.parametrize(("faults", "end"), ENDS, ids=["completed", "task failed", "task refused"])
def test_the_log_has_an_entry_for_the_end_of_a_job(
    server: RunningServer,
    speech: bytes,
    caplog: pytest.LogCaptureFixture,
    faults: list[Rule],
    end: dict[str, object],
) -> None:
    def logged(message: str) -> list[dict[str, object]]:
        return [record.__dict__["fields"] for record in caplog.records if record.getMessage() == message]

    server.fail(*faults)
    with caplog.at_level(logging.INFO, "compat"):
        finished(server, send(server, speech, background="true").json()["id"])
        until(lambda: logged("job"))

    [entry] = logged("job")
    assert entry["job"] in [request.get("job") for request in logged("request")]
    assert {"POST"} == {request["method"] for request in logged("request") if request["status"] == 202}  # no polls
    assert ("anyone", MODEL, "filetrans") == (entry["caller"], entry["model"], entry["road"])
    assert end == {name: value for name, value in entry.items() if name in end}


def is_cancelled(answer: httpx2.Response) -> bool:
    body = answer.json()
    return (200, "cancelled", "job_cancelled") == (
        answer.status_code,
        body["status"],
        body["error"] and body["error"]["code"],
    )


def test_a_cancelled_job_reports_it(server: RunningServer, speech: bytes) -> None:
    slow(server)
    job = send(server, speech, background="true").json()["id"]
    server.counts.wait_for(lambda: server.counts["query"] >= 1)

    assert is_cancelled(look(server, job, method="DELETE"))
    server.counts.wait_for(lambda: server.counts["cancel"] == 1)
    assert is_cancelled(look(server, job))


def test_cancelling_a_background_job_does_not_affect_a_waiting_request(server: RunningServer, speech: bytes) -> None:
    slow(server)
    job = send(server, speech, background="true").json()["id"]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(send, server, speech)
        server.counts.wait_for(polled_twice(server))
        assert is_cancelled(look(server, job, method="DELETE"))
        assert is_cancelled(look(server, job))
        finish(server)

        assert TEXT == waiting.result().json()["text"]
    assert 0 == server.counts["cancel"]
    assert is_cancelled(look(server, job))


def test_a_job_is_cancelled_with_the_last_request_for_it(server: RunningServer, speech: bytes) -> None:
    slow(server)
    forms = ("json", "text", "verbose_json")
    jobs = [send(server, speech, background="true", response_format=form).json()["id"] for form in forms]
    server.counts.wait_for(lambda: server.counts["query"] >= 1)

    for job in jobs[:2]:
        assert is_cancelled(look(server, job, method="DELETE"))
    assert "in_progress" == look(server, jobs[2]).json()["status"]
    assert jobs[0] == send(server, speech, background="true").json()["id"]  # joins the running job again
    assert is_cancelled(look(server, jobs[2], method="DELETE"))
    assert "in_progress" == look(server, jobs[0]).json()["status"]
    assert 0 == server.counts["cancel"]
    assert is_cancelled(look(server, jobs[0], method="DELETE"))
    server.counts.wait_for(lambda: server.counts["cancel"] == 1)


def test_a_result_is_erased_with_the_last_request_for_it(server: RunningServer, speech: bytes) -> None:
    jobs = [send(server, speech, background="true", response_format=form).json()["id"] for form in ("json", "text")]
    for job in jobs:
        finished(server, job)

    assert is_cancelled(look(server, jobs[0], method="DELETE"))
    assert 200 == look(server, jobs[1]).status_code
    assert "expired" == look(server, jobs[1], method="DELETE").json()["status"]
    assert {410} == {look(server, job).status_code for job in jobs}


def test_a_finished_job_can_be_erased(server: RunningServer, speech: bytes) -> None:
    job = send(server, speech, background="true").json()["id"]
    finished(server, job)
    erased = look(server, job, method="DELETE")
    gone = look(server, job)

    assert "expired" == erased.json()["status"]
    assert (410, "job_expired") == (gone.status_code, gone.json()["error"]["code"])
    assert "send the audio again" in gone.json()["error"]["message"]
    assert 410 == look(server, job, method="DELETE").status_code


def test_a_job_is_removed_after_delivery_without_retention(speech: bytes) -> None:
    with running_server(Scripted(SENTENCES), job_retention=0.0) as server:
        job = send(server, speech, background="true").json()["id"]
        until(lambda: look(server, job, method="HEAD").status_code == 200)
        assert 200 == look(server, job, method="HEAD").status_code
        assert TEXT == look(server, job).json()["text"]

        until(lambda: look(server, job).status_code == 410)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_only_the_owner_of_a_job_can_see_it(server: RunningServer, speech: bytes, method: str) -> None:
    slow(server)
    job = send(server, speech, background="true").json()["id"]
    bare = job.rpartition("-")[0]

    for unknown in (look(server, job, key="bob", method=method), *(look(server, name, method=method) for name in (
        bare, f"{bare}-1", "transcription_0-0", f"transcription_{'0' * 32}-0",
    ))):  # fmt: skip
        assert (404, "not_found") == (unknown.status_code, unknown.json()["error"]["code"])
    assert 202 == look(server, job).status_code


WEBHOOK: dict[str, Any] = {"webhook_secret": SECRET, "allow_http_webhooks": True, "allow_private_webhooks": True}


def test_a_webhook_is_called_until_it_returns_success(speech: bytes) -> None:
    calls: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
    answers = iter((500, 204))

    async def done(request: Request) -> Response:
        calls.put((dict(request.headers), await request.body()))
        return Response(status_code=next(answers))

    receiver = Starlette(routes=[Route("/done", done, methods=["POST"])])
    with serve(receiver) as root, running_server(Scripted(SENTENCES), job_retention=HOURS, **WEBHOOK) as server:
        job = send(server, speech, background="true", webhook_url=f"{root}/done").json()["id"]
        first, again = calls.get(timeout=20), calls.get(timeout=20)

        assert TEXT == look(server, job).json()["text"]
    secret = "whsec_" + base64.b64encode(SECRET).decode()
    for headers, body in (first, again):
        event = openai.OpenAI(api_key="unused").webhooks
        event.verify_signature(body, headers, secret=secret)
    assert first[0]["webhook-id"] == again[0]["webhook-id"]
    body = json.loads(first[1])
    assert ("transcription.job.completed", {"id": job, "object": "transcription.job", "status": "completed"}) == (
        body["type"],
        body["data"],
    )


REFUSED = [
    ({}, {"background": "true", "webhook_url": "https://caller.example/"}, "webhook_url", "COMPAT_WEBHOOK_SECRET"),
    ({"webhook_secret": SECRET}, {"webhook_url": "https://caller.example/"}, "webhook_url", "needs background=true"),
    (
        {"webhook_secret": SECRET},
        {"background": "true", "webhook_url": "http://caller.example/"},
        "webhook_url",
        "not an https address",
    ),
    (
        {"webhook_secret": SECRET},
        {"background": "true", "webhook_url": "https://10.0.0.1/"},
        "webhook_url",
        "not on the public internet",
    ),
    ({}, {"background": "true", "stream": "true"}, "background", "exclude each other"),
    ({}, {"background": "maybe"}, "background", "should be true"),
]


@pytest.mark.parametrize(("settings", "fields", "param", "reason"), REFUSED)
def test_invalid_background_parameters_are_refused_at_once(
    speech: bytes, settings: dict[str, Any], fields: dict[str, Any], param: str, reason: str
) -> None:
    with running_server(Scripted(SENTENCES), **settings) as server:
        answer = send(server, speech, **fields)

        assert (400, param) == (answer.status_code, answer.json()["error"]["param"])
        assert reason in answer.json()["error"]["message"]
        assert 0 == server.counts.total()
