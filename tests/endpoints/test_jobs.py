"""Jobs behind waiting requests: joining, reuse, cancellation after a disconnect, streaming and keep-alives."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import FailTask, Rule
from tests.audio.media import make
from tests.endpoints.job_requests import (
    HOURS,
    MODEL,
    NO_REUSE,
    SENTENCES,
    TEXT,
    finish,
    polled_twice,
    send,
    slow,
    submits,
    until,
    wait_for_polls,
)
from tests.hangups import hang_up
from tests.house import House, house
from tests.witnesses import free_port


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    pcm = bytes(range(256)) * 125
    return make("wav", pcm, 16000, 1, tmp_path_factory.mktemp("audio") / "speech.wav").read_bytes()


@pytest.fixture
def home() -> Iterator[House]:
    """Run a server that keeps jobs for an hour, as the default settings do."""
    with house(Scripted(SENTENCES), job_retention=HOURS, job_grace=HOURS) as opened:
        yield opened


def test_a_repeated_request_joins_the_job_or_gets_its_result(home: House, speech: bytes) -> None:
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
    ("never", {"headers": NO_REUSE}),
]


@pytest.mark.parametrize("other", [other for _, other in OTHERS], ids=[name for name, _ in OTHERS])
def test_a_different_request_starts_another_job(home: House, speech: bytes, other: dict[str, Any]) -> None:
    send(home, speech)
    before = submits(home)

    assert 200 == send(home, speech, **other).status_code
    assert before + 1 == submits(home)


def test_different_audio_starts_another_job(home: House, speech: bytes) -> None:
    send(home, speech)
    send(home, speech + b"\0\0")

    assert 2 == submits(home)


def test_a_request_without_reuse_runs_beside_the_existing_job(home: House, speech: bytes) -> None:
    slow(home)
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(send, home, speech)
        until(lambda: len(home.dashscope.tasks) == 1)
        other = threads.submit(send, home, speech, headers=NO_REUSE)
        until(lambda: len(home.dashscope.tasks) == 2)
        finish(home)

        assert [200, 200] == [one.result().status_code, other.result().status_code]


def test_a_failure_is_returned_and_not_reused(home: House, speech: bytes) -> None:
    home.fail(Rule("submit", FailTask("InternalError.Algo")))
    assert 502 == send(home, speech).status_code

    assert TEXT == send(home, speech).json()["text"]
    assert 2 == submits(home)


def test_audio_is_removed_once_the_service_has_it(speech: bytes, tmp_path: Path) -> None:
    with house(Scripted(SENTENCES), spool=tmp_path) as home:
        send(home, speech)  # the service accepts this kind of link afterwards
        slow(home)
        with ThreadPoolExecutor(1) as threads:
            asking = threads.submit(send, home, speech)
            until(lambda: len(home.dashscope.tasks) == 2)

            until(lambda: not list(tmp_path.glob("*/*")))
            finish(home)
            assert TEXT == asking.result().json()["text"]


def test_a_retry_after_a_disconnect_joins_the_job(home: House, speech: bytes) -> None:
    slow(home)
    for _ in range(2):
        hang_up(home.base_url, wait_for_polls(home), api_key="alice", model=MODEL, file=("speech.wav", speech))
    finish(home)

    assert TEXT == send(home, speech).json()["text"]
    assert (1, 0) == (submits(home), home.counts["cancel"])


def test_an_abandoned_job_is_cancelled_after_the_grace_period(speech: bytes) -> None:
    with house(Scripted(SENTENCES), job_grace=0.2) as home:
        slow(home)
        hang_up(home.base_url, wait_for_polls(home), model=MODEL, file=("speech.wav", speech))
        home.counts.wait_for(lambda: home.counts["cancel"] == 1)


def test_a_job_continues_while_another_client_waits_for_it(speech: bytes) -> None:
    with house(Scripted(SENTENCES), job_grace=0.0) as home, ThreadPoolExecutor(1) as threads:
        slow(home)
        patient = threads.submit(send, home, speech, key="anything")
        home.counts.wait_for(lambda: home.counts["query"] >= 1)
        hang_up(home.base_url, wait_for_polls(home), model=MODEL, file=("speech.wav", speech))
        home.counts.wait_for(polled_twice(home))
        finish(home)

        assert TEXT == patient.result().json()["text"]
        assert 0 == home.counts["cancel"]


def test_no_result_is_kept_without_retention(speech: bytes) -> None:
    with house(Scripted(SENTENCES), job_retention=0.0) as home:
        send(home, speech)
        send(home, speech)

        assert 2 == submits(home)


def test_without_the_store_short_audio_works_and_long_audio_gets_503(speech: bytes) -> None:
    with house(Scripted(SENTENCES), store=f"redis://127.0.0.1:{free_port()}/0") as home:
        long = send(home, speech)

        assert TEXT == send(home, speech, model="whisper-1").json()["text"]
        assert (503, "5", "true") == (
            long.status_code,
            long.headers["retry-after"],
            long.headers["x-should-retry"],
        )
        assert 0 == submits(home)


def test_a_job_can_be_streamed_and_an_early_failure_is_a_plain_error(home: House, speech: bytes) -> None:
    with home.client().audio.transcriptions.create(model=MODEL, file=("speech.wav", speech), stream=True) as events:
        types = [event.type for event in events]
    home.fail(Rule("submit", FailTask("DECODE_ERROR")))
    refused = send(home, speech, stream="true", headers=NO_REUSE)

    assert ["transcript.text.delta", "transcript.text.done"] == types
    assert 400 == refused.status_code


def test_whitespace_keeps_a_json_response_alive(speech: bytes) -> None:
    with house(Scripted(SENTENCES), heartbeat=0.05) as home:
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
