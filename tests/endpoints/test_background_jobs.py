"""Background jobs: status, result formats, cancellation, deletion, ownership and webhooks."""

from __future__ import annotations

import base64
import json
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
from compat.emulator.faults import FailTask, Rule
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
    until,
)
from tests.house import House, house
from tests.servers import serve

SECRET = b"twenty-four random bytes"


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    pcm = bytes(range(256)) * 125
    return make("wav", pcm, 16000, 1, tmp_path_factory.mktemp("audio") / "speech.wav").read_bytes()


@pytest.fixture
def home() -> Iterator[House]:
    """Run a server that keeps jobs for an hour, as the default settings do."""
    with house(Scripted(SENTENCES), job_retention=HOURS, job_grace=HOURS) as opened:
        yield opened


FORMATS = [
    ("json", "application/json", TEXT),
    ("text", "text/plain; charset=utf-8", TEXT),
    ("srt", "text/plain; charset=utf-8", "00:00:00,100 --> 00:00:00,900"),
    ("vtt", "text/plain; charset=utf-8", "WEBVTT"),
    ("verbose_json", "application/json", '"segments"'),
]


@pytest.mark.parametrize(("name", "content_type", "held"), FORMATS)
def test_a_background_job_returns_its_result_in_the_requested_format(
    home: House, speech: bytes, name: str, content_type: str, held: str
) -> None:
    slow(home)
    accepted = send(home, speech, background="true", response_format=name, temperature="0.5")
    job = accepted.json()["id"]
    waiting = look(home, job)
    until(lambda: look(home, job).json()["status"] == "in_progress")
    finish(home)
    answer = finished(home, job)

    assert (202, 202, 200) == (accepted.status_code, waiting.status_code, answer.status_code)
    assert ("transcription.job", MODEL) == (accepted.json()["object"], accepted.json()["model"])
    assert accepted.json()["status"] in ("queued", "in_progress")
    assert content_type == answer.headers["content-type"]
    assert held in answer.text
    assert "temperature" == accepted.headers["x-compat-ignored"] == answer.headers["x-compat-ignored"]
    assert "filetrans" == answer.headers["x-compat-road"]


def test_a_background_job_is_accepted_before_its_audio_is_converted(home: House, tmp_path: Path) -> None:
    two = make(
        "m4a", bytes(range(256)) * 1000, 16000, 2, tmp_path / "two.m4a"
    ).read_bytes()  # has to be mixed down to one channel
    first, last = two.index(b"mdat") + 4, two.index(b"moov") - 4
    mute = two[:first] + bytes(last - first) + two[last:]  # has a valid duration but cannot be decoded
    whole, broken = (send(home, audio, background="true") for audio in (two, mute))

    assert [202, 202] == [whole.status_code, broken.status_code]
    assert TEXT == finished(home, whole.json()["id"]).json()["text"]
    job = finished(home, broken.json()["id"]).json()
    assert ("failed", "invalid_audio") == (job["status"], job["error"]["code"])
    assert 1 == submits(home)


def test_background_jobs_in_two_formats_share_a_task(home: House, speech: bytes) -> None:
    slow(home)
    jobs = [
        send(home, speech, background="true", response_format=name).json()["id"] for name in ("json", "text", "json")
    ]
    finish(home)
    answers = [finished(home, job) for job in jobs]

    assert jobs[0] == jobs[2] != jobs[1]
    assert [TEXT] * 3 == [answers[0].json()["text"], answers[1].text.strip(), answers[2].json()["text"]]
    assert 1 == submits(home)


def test_short_audio_can_be_a_background_job(home: House, speech: bytes) -> None:
    accepted = send(home, speech, background="true", model="whisper-1")

    assert 202 == accepted.status_code
    assert TEXT == finished(home, accepted.json()["id"]).json()["text"]
    assert (1, 0) == (home.counts["chat"], submits(home))


def test_a_failed_job_reports_its_error(home: House, speech: bytes) -> None:
    home.fail(Rule("submit", FailTask("DECODE_ERROR")))
    failed = finished(home, send(home, speech, background="true").json()["id"])

    assert (200, "failed") == (failed.status_code, failed.json()["status"])
    assert ("invalid_audio", "file") == (failed.json()["error"]["code"], failed.json()["error"]["param"])
    assert "DECODE_ERROR" in failed.json()["error"]["message"]


def is_cancelled(answer: httpx2.Response) -> bool:
    body = answer.json()
    return (200, "cancelled", "job_cancelled") == (
        answer.status_code,
        body["status"],
        body["error"] and body["error"]["code"],
    )


def test_a_cancelled_job_reports_it(home: House, speech: bytes) -> None:
    slow(home)
    job = send(home, speech, background="true").json()["id"]
    home.counts.wait_for(lambda: home.counts["query"] >= 1)

    assert is_cancelled(look(home, job, method="DELETE"))
    home.counts.wait_for(lambda: home.counts["cancel"] == 1)
    assert is_cancelled(look(home, job))


def test_cancelling_a_background_job_does_not_affect_a_waiting_request(home: House, speech: bytes) -> None:
    slow(home)
    job = send(home, speech, background="true").json()["id"]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(send, home, speech)
        home.counts.wait_for(polled_twice(home))
        assert is_cancelled(look(home, job, method="DELETE"))
        assert is_cancelled(look(home, job))
        finish(home)

        assert TEXT == waiting.result().json()["text"]
    assert 0 == home.counts["cancel"]
    assert is_cancelled(look(home, job))


def test_a_job_is_cancelled_with_the_last_request_for_it(home: House, speech: bytes) -> None:
    slow(home)
    forms = ("json", "text", "verbose_json")
    jobs = [send(home, speech, background="true", response_format=form).json()["id"] for form in forms]
    home.counts.wait_for(lambda: home.counts["query"] >= 1)

    for job in jobs[:2]:
        assert is_cancelled(look(home, job, method="DELETE"))
    assert "in_progress" == look(home, jobs[2]).json()["status"]
    assert jobs[0] == send(home, speech, background="true").json()["id"]  # joins the running job again
    assert is_cancelled(look(home, jobs[2], method="DELETE"))
    assert "in_progress" == look(home, jobs[0]).json()["status"]
    assert 0 == home.counts["cancel"]
    assert is_cancelled(look(home, jobs[0], method="DELETE"))
    home.counts.wait_for(lambda: home.counts["cancel"] == 1)


def test_a_result_is_erased_with_the_last_request_for_it(home: House, speech: bytes) -> None:
    jobs = [send(home, speech, background="true", response_format=form).json()["id"] for form in ("json", "text")]
    for job in jobs:
        finished(home, job)

    assert is_cancelled(look(home, jobs[0], method="DELETE"))
    assert 200 == look(home, jobs[1]).status_code
    assert "expired" == look(home, jobs[1], method="DELETE").json()["status"]
    assert {410} == {look(home, job).status_code for job in jobs}


def test_a_finished_job_can_be_erased(home: House, speech: bytes) -> None:
    job = send(home, speech, background="true").json()["id"]
    finished(home, job)
    erased = look(home, job, method="DELETE")
    gone = look(home, job)

    assert "expired" == erased.json()["status"]
    assert (410, "job_expired") == (gone.status_code, gone.json()["error"]["code"])
    assert "send the audio again" in gone.json()["error"]["message"]
    assert 410 == look(home, job, method="DELETE").status_code


def test_a_job_is_removed_after_delivery_without_retention(speech: bytes) -> None:
    with house(Scripted(SENTENCES), job_retention=0.0) as home:
        job = send(home, speech, background="true").json()["id"]
        until(lambda: look(home, job).status_code == 200)

        until(lambda: look(home, job).status_code == 410)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_only_the_owner_of_a_job_can_see_it(home: House, speech: bytes, method: str) -> None:
    slow(home)
    job = send(home, speech, background="true").json()["id"]
    bare = job.rpartition("-")[0]

    for unknown in (look(home, job, key="bob", method=method), *(look(home, name, method=method) for name in (
        bare, f"{bare}-1", "transcription_0-0", f"transcription_{'0' * 32}-0",
    ))):  # fmt: skip
        assert (404, "not_found") == (unknown.status_code, unknown.json()["error"]["code"])
    assert 202 == look(home, job).status_code


WEBHOOK: dict[str, Any] = {"webhook_secret": SECRET, "allow_http_webhooks": True, "allow_private_webhooks": True}


def test_a_webhook_is_called_until_it_returns_success(speech: bytes) -> None:
    calls: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
    answers = iter((500, 204))

    async def done(request: Request) -> Response:
        calls.put((dict(request.headers), await request.body()))
        return Response(status_code=next(answers))

    receiver = Starlette(routes=[Route("/done", done, methods=["POST"])])
    with serve(receiver) as root, house(Scripted(SENTENCES), job_retention=HOURS, **WEBHOOK) as home:
        job = send(home, speech, background="true", webhook_url=f"{root}/done").json()["id"]
        first, again = calls.get(timeout=20), calls.get(timeout=20)

        assert TEXT == look(home, job).json()["text"]
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
    with house(Scripted(SENTENCES), **settings) as home:
        answer = send(home, speech, **fields)

        assert (400, param) == (answer.status_code, answer.json()["error"]["param"])
        assert reason in answer.json()["error"]["message"]
        assert 0 == home.counts.total()
