"""One of two workers is killed, or their supervisor."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed

from compat.emulator.app import create_app
from compat.emulator.engine import Hypothesis
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Faults, Rule, Slow
from tests.counts import counted
from tests.faults.test_replicas import MANUAL, Load, live, turn
from tests.polling import until
from tests.processes import server_process
from tests.server.test_workers import LONG, SENTENCES, TEXT, speech
from tests.server.workers import Workers
from tests.servers import serve

__all__ = ["speech"]  # a fixture


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    app = create_app(Scripted(SENTENCES, hypotheses=[[Hypothesis("hello there")]] * 20))
    counts = counted(app.state.emulator)
    with serve(app) as root, server_process(tmp_path, root, COMPAT_WORKERS="2") as server:
        yield Workers(server, app.state.emulator, counts)


def test_only_the_requests_of_a_killed_worker_fail_and_the_sdk_repeats_them(workers: Workers, speech: bytes) -> None:
    """Its jobs continue with the same task, the other worker's sessions go on, and no figure decreases."""
    workers.dashscope.faults.arm(Faults((Rule("submit", Slow(seconds=3600.0), times=None),)))
    with workers.one_client_each() as (one, other), contextlib.ExitStack() as stack:
        begun = one.audio.transcriptions.with_raw_response.create(
            model=LONG, file=("a.wav", speech), extra_body={"background": "true"}
        )
        job = json.loads(begun.content)["id"]
        until(lambda: workers.dashscope.tasks)
        secret = one.realtime.client_secrets.create(session=MANUAL).value
        sessions = [stack.enter_context(live(workers.server.base_url, secret)) for _ in range(4)]
        assert ["hello there"] * 4 == [turn(session) for session in sessions]
        series, before = "jobs_total", figures(workers.metrics(other))
        doomed, spared = workers.pids

        texts = Load(workers.server.base_url, speech).during(lambda: os.kill(doomed, signal.SIGKILL), retries=2)

        assert {TEXT} == set(texts)
        after = figures(workers.metrics(other))
        assert {} == {name: count for name, count in before.items() if name.endswith("_total") and after[name] < count}
        assert after[f'compat_{series}{{state="begun"}}'] == 1.0
        until(lambda: len(workers.pids) == 2 and spared in workers.pids and doomed not in workers.pids)
        for task in workers.dashscope.tasks.values():
            task.fault = None
        path = f"/audio/transcriptions/{job}"
        until(lambda: TEXT == other.get(path, cast_to=httpx2.Response).json().get("text"), 30)
        assert 1 == workers.counts["submit"]
        heard = [session for session in sessions if goes_on(session)]
        assert 0 < len(heard) < 4
        until(lambda: workers.figure("requests_under_way", other) == 0)
        assert len(heard) == workers.figure("sessions_open", other)
    assert [-9] == [line["status"] for line in workers.log() if "being replaced" in line["message"]]


def figures(text: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def goes_on(session: object) -> bool:
    try:
        return turn(session) == "hello there"  # type: ignore[arg-type]
    except ConnectionClosed:
        return False


def test_workers_whose_supervisor_was_killed_finish_and_leave_nothing_behind(workers: Workers, tmp_path: Path) -> None:
    pids = workers.pids
    with workers.server.client() as client:
        assert client.models.list().data
    workers.server.kill()

    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 30)
    assert [tmp_path / "state"] == list(tmp_path.iterdir())
