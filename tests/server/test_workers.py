"""A server with two workers is one server: its limits, keys, jobs, client secrets and metrics."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from compat.emulator.app import create_app
from compat.emulator.engine import Hypothesis, Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Faults, Hang, Refuse, Rule, Slow
from tests.audio import media
from tests.counts import Clocked, counted
from tests.hangups import hang_up
from tests.polling import until
from tests.processes import server_process
from tests.server.workers import Workers
from tests.servers import serve

TEXT = "It was the best of times."
SENTENCES = (Sentence(text=TEXT, begin_ms=100, end_ms=1500),)
RATE = 4  # calls a second to RATED
RATED = "fun-asr-flash-2026-06-15"
LONG = "qwen3-asr-flash-filetrans"
KEYS = """
anne    key-of-anne
bert    key-of-bert
seldom  key-of-seldom  rest            2/minute
narrow  key-of-narrow  realtime        concurrency=2
prom    key-of-prom    rest,admin
"""
ANNE = "key-of-anne"


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("audio") / "a.wav"
    return media.make("wav", media.tone(2.0), 16000, 1, path).read_bytes()


@pytest.fixture(scope="module")
def service() -> Clocked:
    return Clocked(create_app(Scripted(SENTENCES, hypotheses=[[Hypothesis("hello there")]] * 20)))


@pytest.fixture(scope="module")
def workers(service: Clocked, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    emulator = service._service.state.emulator  # type: ignore[attr-defined]  # noqa: SLF001
    counts, folder = counted(emulator), tmp_path_factory.mktemp("server")
    (folder / "keys").write_text(KEYS)
    settings = {
        "COMPAT_WORKERS": "2",
        "COMPAT_API_KEYS_FILE": str(folder / "keys"),
        "COMPAT_RATES": f"{RATED}={RATE}/second",
        "COMPAT_MAX_REQUESTS": "8",
        "COMPAT_ATTEMPTS": "1",
        "COMPAT_BREAKER_FAILURES": "4",
        "COMPAT_BREAKER_PAUSE": "1",
    }
    with serve(service) as root, server_process(folder, root, **settings) as server:
        yield Workers(server, emulator, counts)


def transcribe(client: openai.OpenAI, speech: bytes, model: str = "whisper-1") -> str:
    return client.audio.transcriptions.create(model=model, file=("a.wav", speech)).text


def failed(call: Callable[[], object]) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        call()
    return caught.value


def test_each_worker_serves(workers: Workers, speech: bytes) -> None:
    with workers.one_client_each(ANNE) as clients:
        assert [TEXT, TEXT] == [transcribe(client, speech) for client in clients]
    assert 2 == len(workers.pids)


def test_the_account_s_rate_is_kept_by_all_workers_together(workers: Workers, service: Clocked, speech: bytes) -> None:
    with workers.one_client_each(ANNE) as clients, ThreadPoolExecutor(2) as threads:
        texts = list(threads.map(lambda at: transcribe(clients[at % 2], speech, RATED), range(3 * RATE)))

    assert [TEXT] * 3 * RATE == texts
    for first, last in zip(service.times, service.times[RATE:], strict=False):
        assert last - first > 0.9  # in the same second at most RATE calls, however late they are seen here


def test_the_rate_of_a_key_is_that_of_all_workers(workers: Workers, speech: bytes) -> None:
    with workers.one_client_each("key-of-seldom") as (one, other):
        assert [TEXT, TEXT] == [transcribe(one, speech), transcribe(other, speech)]
        for client in (one, other):
            error = failed(functools.partial(transcribe, client, speech))
            assert (429, True) == (error.status_code, 50 < float(error.response.headers["retry-after"]) <= 60)


def test_the_concurrency_of_a_key_is_that_of_all_workers(workers: Workers) -> None:
    address = f"{workers.server.base_url.replace('http', 'ws', 1)}/realtime?intent=transcription"
    headers, refused = {"Authorization": "Bearer key-of-narrow"}, []
    with contextlib.ExitStack() as open_sessions:
        for _ in range(8):
            try:
                open_sessions.enter_context(connect(address, additional_headers=headers, proxy=None))
            except InvalidStatus as exc:
                refused.append(exc.response.status_code)
    assert [429] * 6 == refused


def test_requests_are_bounded_for_all_workers_together(workers: Workers, speech: bytes) -> None:
    """Anne may have half of the requests, and Bert half of the rest."""
    workers.dashscope.faults.arm(Faults((Rule("chat", Hang(), times=None),)))
    bounds = {ANNE: 4, "key-of-bert": 2}
    over = threading.Event()
    with workers.one_client_each("key-of-prom") as watching, ThreadPoolExecutor(6) as threads:
        try:
            for key, most in bounds.items():
                before = workers.counts["chat"]
                for _ in range(most):
                    file, wait = ("a.wav", speech), over.wait
                    threads.submit(hang_up, workers.server.base_url, wait, api_key=key, model="whisper-1", file=file)
                workers.counts.wait_for(functools.partial(reached, workers, before + most))
                with workers.one_client_each(key) as both:
                    for client in both:
                        error = failed(functools.partial(transcribe, client, speech))
                        assert (503, "overloaded") == (error.status_code, error.code)
            assert {6.0} == {workers.figure("requests_under_way", client) for client in watching}
        finally:
            over.set()
        until(lambda: {0.0} == {workers.figure("requests_under_way", client) for client in watching})
    workers.dashscope.faults.arm(Faults())


def reached(workers: Workers, count: int) -> bool:
    return workers.counts["chat"] == count


def test_failures_at_each_worker_open_the_circuit_breaker_of_all(workers: Workers, speech: bytes) -> None:
    workers.dashscope.faults.arm(Faults((Rule("chat", Refuse(500, "InternalError"), times=4),)))
    with workers.one_client_each(ANNE) as (one, other):
        for client in (one, other, one, one):
            assert 503 > failed(functools.partial(transcribe, client, speech)).status_code
        calls = workers.counts["chat"]
        error = failed(functools.partial(transcribe, other, speech))
        assert (503, calls) == (error.status_code, workers.counts["chat"])
        until(functools.partial(succeeds, other, speech))
        assert TEXT == transcribe(one, speech)


def succeeds(client: openai.OpenAI, speech: bytes) -> bool:
    try:
        return transcribe(client, speech) == TEXT
    except openai.APIStatusError:
        return False


def test_a_client_secret_of_one_worker_opens_sessions_at_every_worker(workers: Workers) -> None:
    with workers.one_client_each(ANNE) as (one, _):
        secret = one.realtime.client_secrets.create(session={"type": "transcription"}).value
    address = f"{workers.server.base_url.replace('http', 'ws', 1)}/realtime?intent=transcription"
    headers = {"Authorization": f"Bearer {secret}"}
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(connect(address, additional_headers=headers, proxy=None)) for _ in range(6)]
        assert {"session.created"} == {json.loads(session.recv(timeout=20))["type"] for session in sessions}


def test_a_job_of_one_worker_is_that_of_the_other(workers: Workers, speech: bytes) -> None:
    workers.dashscope.faults.arm(Faults((Rule("submit", Slow(seconds=3600.0), times=None),)))
    with workers.one_client_each(ANNE) as (one, other), ThreadPoolExecutor(1) as threads:
        begun = one.audio.transcriptions.with_raw_response.create(
            model=LONG, file=("a.wav", speech), extra_body={"background": "true"}
        )
        job_id = json.loads(begun.content)["id"]
        until(lambda: workers.dashscope.tasks)
        until(lambda: "in_progress" == job(other, job_id)["status"])
        joined = threads.submit(transcribe, other, speech, LONG)
        for task in workers.dashscope.tasks.values():
            task.fault = None
        assert TEXT == joined.result(timeout=60)
        for client in (one, other):
            assert TEXT == job(client, job_id)["text"]
    assert 1 == workers.counts["submit"]
    workers.dashscope.faults.arm(Faults())


def job(client: openai.OpenAI, job_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(f"/audio/transcriptions/{job_id}", cast_to=httpx2.Response).json()
    return answer


def test_metrics_and_the_log_are_those_of_all_workers(workers: Workers, speech: bytes) -> None:
    series = re.compile(r'compat_request_seconds_count\{path="/v1/audio/transcriptions"\} (\S+)')

    def counted_by(client: openai.OpenAI) -> float:
        found = series.search(workers.metrics(client))
        return float(found[1]) if found else 0.0

    with workers.one_client_each(ANNE) as clients, workers.one_client_each("key-of-prom") as watching:
        before = [counted_by(client) for client in watching]
        for client in clients * 3:
            transcribe(client, speech)
        until(lambda: [count + 6 for count in before] == [counted_by(client) for client in watching])
    numbers = {line["worker"] for line in workers.log() if line["logger"] == "compat.access"}
    assert {1, 2} == numbers


def test_a_changed_key_file_is_read_by_all_workers(workers: Workers, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = next(path for path in tmp_path_factory.getbasetemp().glob("server*/keys"))
    with workers.one_client_each(ANNE) as clients:
        path.write_text(KEYS.replace(ANNE, "another-key"))
        try:
            assert [401, 401] == [failed(client.models.list).status_code for client in clients]
        finally:
            path.write_text(KEYS)
        assert all(client.models.list().data for client in clients)


def test_all_workers_stop_together_and_leave_nothing_behind(tmp_path: Path, speech: bytes) -> None:
    app = create_app(Scripted(SENTENCES))
    emulator = app.state.emulator
    counts, settings = counted(emulator), {"COMPAT_WORKERS": "2", "COMPAT_DRAIN_DELAY": "2"}
    emulator.faults.arm(Faults((Rule("chat", Hang(1.0), times=None),)))
    with ThreadPoolExecutor(2) as threads, serve(app) as root, server_process(tmp_path, root, **settings) as server:
        workers = Workers(server, emulator, counts)
        with workers.one_client_each() as clients:
            one, other = map(workers.bare, clients)
            server.process.send_signal(signal.SIGTERM)
            until(functools.partial(is_stopping, one))
            assert is_stopping(other)
            calls = [threads.submit(transcribe, client, speech) for client in clients]
            assert [TEXT, TEXT] == [call.result(timeout=30) for call in calls]
        assert 0 == server.process.wait(timeout=30)
    assert [tmp_path / "state"] == list(tmp_path.iterdir())


def is_stopping(client: openai.OpenAI) -> bool:
    try:
        return not client.get("/readyz", cast_to=str)
    except openai.APIStatusError as exc:
        return exc.status_code == 503
