"""Jobs behind waiting requests: joining, reuse, cancellation after a disconnect, streaming and keep-alives."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import FailTask, Rule
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
    wait_for_polls,
)
from tests.hangups import hang_up
from tests.polling import until
from tests.running import RunningServer, running_server
from tests.witnesses import free_port


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """Run a server that keeps jobs for an hour, as the default settings do."""
    with running_server(Scripted(SENTENCES), job_retention=HOURS, job_grace=HOURS) as opened:
        yield opened


def test_a_repeated_request_joins_the_job_or_gets_its_result(server: RunningServer, speech: bytes) -> None:
    slow(server)
    with ThreadPoolExecutor(10) as threads:
        asking = [threads.submit(send, server, speech) for _ in range(10)]
        server.counts.wait_for(lambda: server.counts["query"] >= 1)
        finish(server)
        answers = [each.result() for each in asking]
    later = send(server, speech, response_format="text")

    assert [TEXT] * 10 == [answer.json()["text"] for answer in answers]
    assert TEXT == later.text.strip()
    assert 1 == submits(server)
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
def test_a_different_request_starts_another_job(server: RunningServer, speech: bytes, other: dict[str, Any]) -> None:
    send(server, speech)
    before = submits(server)

    assert 200 == send(server, speech, **other).status_code
    assert before + 1 == submits(server)


def test_different_audio_starts_another_job(server: RunningServer, speech: bytes) -> None:
    send(server, speech)
    send(server, speech + b"\0\0")

    assert 2 == submits(server)


def test_a_request_without_reuse_runs_beside_the_existing_job(server: RunningServer, speech: bytes) -> None:
    slow(server)
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(send, server, speech)
        until(lambda: len(server.dashscope.tasks) == 1)
        other = threads.submit(send, server, speech, headers=NO_REUSE)
        until(lambda: len(server.dashscope.tasks) == 2)
        finish(server)

        assert [200, 200] == [one.result().status_code, other.result().status_code]


def test_a_failure_is_returned_and_not_reused(server: RunningServer, speech: bytes) -> None:
    server.fail(Rule("submit", FailTask("InternalError.Algo")))
    assert 502 == send(server, speech).status_code

    assert TEXT == send(server, speech).json()["text"]
    assert 2 == submits(server)


def test_audio_is_removed_once_the_service_has_it(speech: bytes, tmp_path: Path) -> None:
    with running_server(Scripted(SENTENCES), spool=tmp_path) as server:
        send(server, speech)  # the service accepts this kind of link afterwards
        slow(server)
        with ThreadPoolExecutor(1) as threads:
            asking = threads.submit(send, server, speech)
            until(lambda: len(server.dashscope.tasks) == 2)

            until(lambda: not list(tmp_path.glob("*/*")))
            finish(server)
            assert TEXT == asking.result().json()["text"]


def test_a_retry_after_a_disconnect_joins_the_job(server: RunningServer, speech: bytes) -> None:
    slow(server)
    for _ in range(2):
        hang_up(server.base_url, wait_for_polls(server), api_key="alice", model=MODEL, file=("speech.wav", speech))
    finish(server)

    assert TEXT == send(server, speech).json()["text"]
    assert (1, 0) == (submits(server), server.counts["cancel"])


def test_an_abandoned_job_is_cancelled_after_the_grace_period(speech: bytes) -> None:
    with running_server(Scripted(SENTENCES), job_grace=0.2) as server:
        slow(server)
        hang_up(server.base_url, wait_for_polls(server), model=MODEL, file=("speech.wav", speech))
        server.counts.wait_for(lambda: server.counts["cancel"] == 1)


def test_a_job_continues_while_another_client_waits_for_it(speech: bytes) -> None:
    with running_server(Scripted(SENTENCES), job_grace=0.0) as server, ThreadPoolExecutor(1) as threads:
        slow(server)
        patient = threads.submit(send, server, speech, key="anything")
        server.counts.wait_for(lambda: server.counts["query"] >= 1)
        hang_up(server.base_url, wait_for_polls(server), model=MODEL, file=("speech.wav", speech))
        server.counts.wait_for(polled_twice(server))
        finish(server)

        assert TEXT == patient.result().json()["text"]
        assert 0 == server.counts["cancel"]


def test_no_result_is_kept_without_retention(speech: bytes) -> None:
    with running_server(Scripted(SENTENCES), job_retention=0.0) as server:
        send(server, speech)
        send(server, speech)

        assert 2 == submits(server)


def test_without_the_store_short_audio_works_and_long_audio_gets_503(speech: bytes) -> None:
    with running_server(Scripted(SENTENCES), store=f"redis://127.0.0.1:{free_port()}/0") as server:
        long = send(server, speech)

        assert TEXT == send(server, speech, model="whisper-1").json()["text"]
        assert (503, "5", "true") == (
            long.status_code,
            long.headers["retry-after"],
            long.headers["x-should-retry"],
        )
        assert 0 == submits(server)


def test_a_job_can_be_streamed_and_an_early_failure_is_a_plain_error(server: RunningServer, speech: bytes) -> None:
    with server.client().audio.transcriptions.create(model=MODEL, file=("speech.wav", speech), stream=True) as events:
        types = [event.type for event in events]
    server.fail(Rule("submit", FailTask("DECODE_ERROR")))
    refused = send(server, speech, stream="true", headers=NO_REUSE)

    assert ["transcript.text.delta", "transcript.text.done"] == types
    assert 400 == refused.status_code


def test_whitespace_keeps_a_json_response_alive(speech: bytes) -> None:
    with running_server(Scripted(SENTENCES), heartbeat=0.05) as server:
        slow(server)
        with ThreadPoolExecutor(3) as threads:
            asking = [
                threads.submit(send, server, speech, response_format=name) for name in ("json", "verbose_json", "text")
            ]
            server.counts.wait_for(lambda: server.counts["query"] >= 2)
            finish(server)
            json_, verbose, text = [each.result() for each in asking]
        server.fail(Rule("submit", FailTask("DECODE_ERROR")))
        failed = send(server, speech)

    assert json_.text.startswith("  ")
    assert (TEXT, TEXT) == (json_.json()["text"], verbose.json()["text"])
    assert "application/json" == json_.headers["content-type"]
    assert TEXT + "\n" == text.text
    assert (200, "invalid_audio") == (failed.status_code, failed.json()["error"]["code"])
