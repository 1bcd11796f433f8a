"""Requests and helpers for tests of jobs: short speech, tasks that stay unfinished, and polling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2

from compat.emulator.engine import Sentence, Word
from compat.emulator.faults import Rule, Slow
from tests.polling import until
from tests.running import RunningServer

SENTENCES = (
    Sentence(text="The best.", begin_ms=100, end_ms=900, words=(Word("The", 100, 300), Word("best", 300, 900, "."))),
)
TEXT = "The best."
MODEL = "qwen3-asr-flash-filetrans"
HOURS = 3600.0
NO_REUSE = {"x-compat-reuse": "never"}


def slow(server: RunningServer) -> None:
    """Make every submitted task run until `finish`."""
    server.fail(Rule("submit", Slow(seconds=HOURS), times=None))


def finish(server: RunningServer) -> None:
    """Let the tasks that `slow` holds back succeed, and those that jobs in the background have yet to submit."""
    server.fail()
    for task in server.dashscope.tasks.values():
        task.fault = None


def submits(server: RunningServer) -> int:
    """Return the number of tasks submitted to the service."""
    return server.counts["submit"]


def polled_twice(server: RunningServer) -> Callable[[], bool]:
    """Return a condition that holds after two more polls of a task's state."""
    queries = server.counts["query"]
    return lambda: server.counts["query"] > queries + 1


def wait_for_polls(server: RunningServer) -> Callable[[], None]:
    """Return a function that blocks until a task's state has been polled twice more."""
    polled = polled_twice(server)
    return lambda: server.counts.wait_for(polled)


def send(
    server: RunningServer,
    audio: bytes,
    *,
    key: str = "alice",
    headers: dict[str, str] | None = None,
    **fields: Any,  # noqa: ANN401 - of the form
) -> Any:  # noqa: ANN401 - httpx2's response
    """Request a transcription of `audio` from the file transcription model."""
    return httpx2.post(
        f"{server.base_url}/audio/transcriptions",
        data={"model": MODEL, **fields},
        files={"file": ("speech.wav", audio)},
        headers={"authorization": f"Bearer {key}", **(headers or {})},
        timeout=30,
    )


def look(server: RunningServer, job: str, *, key: str = "alice", method: str = "GET") -> Any:  # noqa: ANN401
    """Request a job by its id."""
    headers = {"authorization": f"Bearer {key}"}
    return httpx2.request(method, f"{server.base_url}/audio/transcriptions/{job}", headers=headers, timeout=30)


def finished(server: RunningServer, job: str, *, key: str = "alice") -> Any:  # noqa: ANN401
    """Return the response to a GET of the job once it has ended."""
    until(lambda: look(server, job, key=key).status_code != 202)
    return look(server, job, key=key)
