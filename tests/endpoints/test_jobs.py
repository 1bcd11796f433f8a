"""Jobs over HTTP: joined, reused, in the background, cancelled, erased, told to webhooks."""

from __future__ import annotations

import base64
import json
import queue
import threading
from collections.abc import Callable, Iterator
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

from compat.emulator.engine import Sentence, Word
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import FailTask, Rule, Slow
from tests.audio.media import make
from tests.hangups import hang_up
from tests.house import House, house
from tests.servers import serve
from tests.witnesses import free_port

SAID = (
    Sentence(text="The best.", begin_ms=100, end_ms=900, words=(Word("The", 100, 300), Word("best", 300, 900, "."))),
)
TEXT = "The best."
MODEL = "qwen3-asr-flash-filetrans"
HOURS = 3600.0
SECRET = b"twenty-four random bytes"
FRESH = {"x-compat-reuse": "never"}


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    pcm = bytes(range(256)) * 125
    return make("wav", pcm, 16000, 1, tmp_path_factory.mktemp("audio") / "speech.wav").read_bytes()


@pytest.fixture
def home() -> Iterator[House]:
    """Keeps jobs for an hour, as it does outside of tests."""
    with house(Scripted(SAID), job_retention=HOURS, job_grace=HOURS) as opened:
        yield opened


def slow(home: House) -> None:
    """Tasks run until `finish`."""
    home.fail(Rule("submit", Slow(seconds=HOURS), times=None))


def finish(home: House) -> None:
    for task in home.dashscope.tasks.values():
        task.fault = None


def submits(home: House) -> int:
    return home.counts["submit"]


def asked_again(home: House) -> Callable[[], bool]:
    """Whether the service has been asked for a task's state twice more."""
    queries = home.counts["query"]
    return lambda: home.counts["query"] > queries + 1


def wait_for_more(home: House) -> Callable[[], None]:
    again = asked_again(home)
    return lambda: home.counts.wait_for(again)


def until(holds: Callable[[], object]) -> None:
    gate = threading.Event()
    for _ in range(500):
        if holds():
            return
        gate.wait(0.02)
    raise AssertionError("it did not come to hold within 10 s")


def send(home: House, audio: bytes, *, key: str = "alice", headers: dict[str, str] | None = None, **fields: Any) -> Any:  # noqa: ANN401 - httpx2's response
    return httpx2.post(
        f"{home.base_url}/audio/transcriptions",
        data={"model": MODEL, **fields},
        files={"file": ("speech.wav", audio)},
        headers={"authorization": f"Bearer {key}", **(headers or {})},
        timeout=30,
    )


def look(home: House, job: str, *, key: str = "alice", method: str = "GET") -> Any:  # noqa: ANN401
    headers = {"authorization": f"Bearer {key}"}
    return httpx2.request(method, f"{home.base_url}/audio/transcriptions/{job}", headers=headers, timeout=30)


def finished(home: House, job: str) -> Any:  # noqa: ANN401
    until(lambda: look(home, job).status_code != 202)
    return look(home, job)


def test_the_same_request_joins_the_job_or_gets_its_answer(home: House, speech: bytes) -> None:
    slow(home)
    with ThreadPoolExecutor(10) as threads:
        asking = [threads.submit(send, home, speech) for _ in range(10)]
        home.counts.wait_for(lambda: home.counts["query"] >= 1)
        finish(home)
        answers = [each.result() for each in asking]
    later = send(home, speech, response_format="text")

    assert [TEXT] * 10 == [answer.json()["text"] for answer in answers]
    assert TEXT == later.text.strip()
    assert 1 == submits(home)
    assert 1 == len({answer.json()["dashscope"]["task_id"] for answer in answers})


OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("another tenant", {"key": "bob"}),
    ("another language", {"language": "en"}),
    ("another context", {"prompt": "About times."}),
    ("another model", {"model": "paraformer-v2"}),
    ("another option", {"enable_itn": "true"}),
    ("no-cache", {"headers": {"cache-control": "max-age=0, no-cache"}}),
    ("never", {"headers": FRESH}),
]


@pytest.mark.parametrize("other", [other for _, other in OTHERS], ids=[name for name, _ in OTHERS])
def test_what_differs_is_a_job_of_its_own(home: House, speech: bytes, other: dict[str, Any]) -> None:
    send(home, speech)
    before = submits(home)

    assert 200 == send(home, speech, **other).status_code
    assert before + 1 == submits(home)


def test_other_audio_is_a_job_of_its_own(home: House, speech: bytes) -> None:
    send(home, speech)
    send(home, speech + b"\0\0")

    assert 2 == submits(home)


def test_a_forced_job_runs_beside_the_one_there_is(home: House, speech: bytes) -> None:
    slow(home)
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(send, home, speech)
        until(lambda: len(home.dashscope.tasks) == 1)
        other = threads.submit(send, home, speech, headers=FRESH)
        until(lambda: len(home.dashscope.tasks) == 2)
        finish(home)

        assert [200, 200] == [one.result().status_code, other.result().status_code]


def test_a_failure_is_told_to_all_who_wait_and_not_kept(home: House, speech: bytes) -> None:
    home.fail(Rule("submit", FailTask("InternalError.Algo")))
    assert 502 == send(home, speech).status_code

    assert TEXT == send(home, speech).json()["text"]
    assert 2 == submits(home)


def test_audio_goes_as_soon_as_the_service_has_it(speech: bytes, tmp_path: Path) -> None:
    with house(Scripted(SAID), spool=tmp_path) as home:
        send(home, speech)  # after which this way to the service is known to lead there
        slow(home)
        with ThreadPoolExecutor(1) as threads:
            asking = threads.submit(send, home, speech)
            until(lambda: len(home.dashscope.tasks) == 2)

            until(lambda: not list(tmp_path.glob("*/*")))
            finish(home)
            assert TEXT == asking.result().json()["text"]


def test_the_retry_of_a_caller_who_hung_up_finds_the_job(home: House, speech: bytes) -> None:
    slow(home)
    for _ in range(2):
        hang_up(home.base_url, wait_for_more(home), api_key="alice", model=MODEL, file=("speech.wav", speech))
    finish(home)

    assert TEXT == send(home, speech).json()["text"]
    assert (1, 0) == (submits(home), home.counts["cancel"])


def test_nobody_s_job_is_cancelled_after_the_grace(speech: bytes) -> None:
    with house(Scripted(SAID), job_grace=0.2) as home:
        slow(home)
        hang_up(home.base_url, wait_for_more(home), model=MODEL, file=("speech.wav", speech))
        home.counts.wait_for(lambda: home.counts["cancel"] == 1)


def test_a_job_that_somebody_waits_for_goes_on(speech: bytes) -> None:
    with house(Scripted(SAID), job_grace=0.0) as home, ThreadPoolExecutor(1) as threads:
        slow(home)
        patient = threads.submit(send, home, speech, key="anything")
        home.counts.wait_for(lambda: home.counts["query"] >= 1)
        hang_up(home.base_url, wait_for_more(home), model=MODEL, file=("speech.wav", speech))
        home.counts.wait_for(asked_again(home))
        finish(home)

        assert TEXT == patient.result().json()["text"]
        assert 0 == home.counts["cancel"]


def test_nothing_is_kept_when_nothing_shall_be(speech: bytes) -> None:
    with house(Scripted(SAID), job_retention=0.0) as home:
        send(home, speech)
        send(home, speech)

        assert 2 == submits(home)


FORMATS = [
    ("json", "application/json", TEXT),
    ("text", "text/plain; charset=utf-8", TEXT),
    ("srt", "text/plain; charset=utf-8", "00:00:00,100 --> 00:00:00,900"),
    ("vtt", "text/plain; charset=utf-8", "WEBVTT"),
    ("verbose_json", "application/json", '"segments"'),
]


@pytest.mark.parametrize(("name", "content_type", "held"), FORMATS)
def test_a_background_job_answers_in_its_format(
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


def test_a_background_job_is_accepted_before_its_audio_is_made_to_fit(home: House, tmp_path: Path) -> None:
    two = make("m4a", bytes(range(256)) * 1000, 16000, 2, tmp_path / "two.m4a").read_bytes()  # has to become one
    first, last = two.index(b"mdat") + 4, two.index(b"moov") - 4
    mute = two[:first] + bytes(last - first) + two[last:]  # says how long it lasts, and cannot be decoded
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


def test_short_audio_may_wait_in_the_background_too(home: House, speech: bytes) -> None:
    accepted = send(home, speech, background="true", model="whisper-1")

    assert 202 == accepted.status_code
    assert TEXT == finished(home, accepted.json()["id"]).json()["text"]
    assert (1, 0) == (home.counts["chat"], submits(home))


def test_a_failed_job_says_why(home: House, speech: bytes) -> None:
    home.fail(Rule("submit", FailTask("DECODE_ERROR")))
    told = finished(home, send(home, speech, background="true").json()["id"])

    assert (200, "failed") == (told.status_code, told.json()["status"])
    assert ("invalid_audio", "file") == (told.json()["error"]["code"], told.json()["error"]["param"])
    assert "DECODE_ERROR" in told.json()["error"]["message"]


def is_cancelled(answer: httpx2.Response) -> bool:
    told = answer.json()
    return (200, "cancelled", "job_cancelled") == (
        answer.status_code,
        told["status"],
        told["error"] and told["error"]["code"],
    )


def test_a_cancelled_job_says_so(home: House, speech: bytes) -> None:
    slow(home)
    job = send(home, speech, background="true").json()["id"]
    home.counts.wait_for(lambda: home.counts["query"] >= 1)

    assert is_cancelled(look(home, job, method="DELETE"))
    home.counts.wait_for(lambda: home.counts["cancel"] == 1)
    assert is_cancelled(look(home, job))


def test_a_job_that_a_caller_waits_for_is_not_another_s_to_cancel(home: House, speech: bytes) -> None:
    slow(home)
    job = send(home, speech, background="true").json()["id"]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(send, home, speech)
        home.counts.wait_for(asked_again(home))
        assert is_cancelled(look(home, job, method="DELETE"))
        assert is_cancelled(look(home, job))
        finish(home)

        assert TEXT == waiting.result().json()["text"]
    assert 0 == home.counts["cancel"]
    assert is_cancelled(look(home, job))


def test_a_job_ends_with_the_last_request_for_it(home: House, speech: bytes) -> None:
    slow(home)
    forms = ("json", "text", "verbose_json")
    jobs = [send(home, speech, background="true", response_format=form).json()["id"] for form in forms]
    home.counts.wait_for(lambda: home.counts["query"] >= 1)

    for job in jobs[:2]:
        assert is_cancelled(look(home, job, method="DELETE"))
    assert "in_progress" == look(home, jobs[2]).json()["status"]
    assert jobs[0] == send(home, speech, background="true").json()["id"]  # which asks for it again
    assert is_cancelled(look(home, jobs[2], method="DELETE"))
    assert "in_progress" == look(home, jobs[0]).json()["status"]
    assert 0 == home.counts["cancel"]
    assert is_cancelled(look(home, jobs[0], method="DELETE"))
    home.counts.wait_for(lambda: home.counts["cancel"] == 1)


def test_an_answer_is_erased_with_the_last_request_for_it(home: House, speech: bytes) -> None:
    jobs = [send(home, speech, background="true", response_format=form).json()["id"] for form in ("json", "text")]
    for job in jobs:
        finished(home, job)

    assert is_cancelled(look(home, jobs[0], method="DELETE"))
    assert 200 == look(home, jobs[1]).status_code
    assert "expired" == look(home, jobs[1], method="DELETE").json()["status"]
    assert {410} == {look(home, job).status_code for job in jobs}


def test_an_ended_job_can_be_erased(home: House, speech: bytes) -> None:
    job = send(home, speech, background="true").json()["id"]
    finished(home, job)
    erased = look(home, job, method="DELETE")
    gone = look(home, job)

    assert "expired" == erased.json()["status"]
    assert (410, "job_expired") == (gone.status_code, gone.json()["error"]["code"])
    assert "send the audio again" in gone.json()["error"]["message"]
    assert 410 == look(home, job, method="DELETE").status_code


def test_a_delivered_job_is_gone_when_nothing_is_kept(speech: bytes) -> None:
    with house(Scripted(SAID), job_retention=0.0) as home:
        job = send(home, speech, background="true").json()["id"]
        until(lambda: look(home, job).status_code == 200)

        until(lambda: look(home, job).status_code == 410)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_only_its_owner_finds_a_job(home: House, speech: bytes, method: str) -> None:
    slow(home)
    job = send(home, speech, background="true").json()["id"]
    bare = job.rpartition("-")[0]

    for unknown in (look(home, job, key="bob", method=method), *(look(home, name, method=method) for name in (
        bare, f"{bare}-1", "transcription_0-0", f"transcription_{'0' * 32}-0",
    ))):  # fmt: skip
        assert (404, "not_found") == (unknown.status_code, unknown.json()["error"]["code"])
    assert 202 == look(home, job).status_code


WEBHOOK: dict[str, Any] = {"webhook_secret": SECRET, "allow_http_webhooks": True, "allow_private_webhooks": True}


def test_a_webhook_is_called_until_it_answers(speech: bytes) -> None:
    calls: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
    answers = iter((500, 204))

    async def done(request: Request) -> Response:
        calls.put((dict(request.headers), await request.body()))
        return Response(status_code=next(answers))

    receiver = Starlette(routes=[Route("/done", done, methods=["POST"])])
    with serve(receiver) as root, house(Scripted(SAID), job_retention=HOURS, **WEBHOOK) as home:
        job = send(home, speech, background="true", webhook_url=f"{root}/done").json()["id"]
        first, again = calls.get(timeout=20), calls.get(timeout=20)

        assert TEXT == look(home, job).json()["text"]
    secret = "whsec_" + base64.b64encode(SECRET).decode()
    for headers, body in (first, again):
        event = openai.OpenAI(api_key="unused").webhooks
        event.verify_signature(body, headers, secret=secret)
    assert first[0]["webhook-id"] == again[0]["webhook-id"]
    told = json.loads(first[1])
    assert ("transcription.job.completed", {"id": job, "object": "transcription.job", "status": "completed"}) == (
        told["type"],
        told["data"],
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
def test_what_cannot_be_done_later_is_refused_now(
    speech: bytes, settings: dict[str, Any], fields: dict[str, Any], param: str, reason: str
) -> None:
    with house(Scripted(SAID), **settings) as home:
        answer = send(home, speech, **fields)

        assert (400, param) == (answer.status_code, answer.json()["error"]["param"])
        assert reason in answer.json()["error"]["message"]
        assert 0 == home.counts.total()


def test_without_its_store_short_audio_is_answered_and_long_audio_asked_to_come_again(speech: bytes) -> None:
    with house(Scripted(SAID), store=f"redis://127.0.0.1:{free_port()}/0") as home:
        long = send(home, speech)

        assert TEXT == send(home, speech, model="whisper-1").json()["text"]
        assert (503, "5", "true") == (
            long.status_code,
            long.headers["retry-after"],
            long.headers["x-should-retry"],
        )
        assert 0 == submits(home)


def test_a_slow_stream_says_so_and_a_failure_is_plain_while_it_can_be(home: House, speech: bytes) -> None:
    with home.client().audio.transcriptions.create(model=MODEL, file=("speech.wav", speech), stream=True) as events:
        said = [event.type for event in events]
    home.fail(Rule("submit", FailTask("DECODE_ERROR")))
    refused = send(home, speech, stream="true", headers=FRESH)

    assert ["transcript.text.delta", "transcript.text.done"] == said
    assert 400 == refused.status_code


def test_white_space_keeps_a_plain_answer_alive(speech: bytes) -> None:
    with house(Scripted(SAID), heartbeat=0.05) as home:
        slow(home)
        with ThreadPoolExecutor(3) as threads:
            asking = [
                threads.submit(send, home, speech, response_format=name) for name in ("json", "verbose_json", "text")
            ]
            home.counts.wait_for(lambda: home.counts["query"] >= 2)
            finish(home)
            json_, verbose, text = [each.result() for each in asking]
        home.fail(Rule("submit", FailTask("DECODE_ERROR")))
        failed = send(home, speech)

    assert json_.text.startswith("  ")
    assert (TEXT, TEXT) == (json_.json()["text"], verbose.json()["text"])
    assert "application/json" == json_.headers["content-type"]
    assert TEXT + "\n" == text.text
    assert (200, "invalid_audio") == (failed.status_code, failed.json()["error"]["code"])
