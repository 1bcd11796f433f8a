"""Requests and helpers for tests of jobs: short speech, tasks that stay unfinished, and polling."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx2

from compat.emulator.engine import Sentence, Word
from compat.emulator.faults import Rule, Slow
from tests.house import House

SENTENCES = (
    Sentence(text="The best.", begin_ms=100, end_ms=900, words=(Word("The", 100, 300), Word("best", 300, 900, "."))),
)
TEXT = "The best."
MODEL = "qwen3-asr-flash-filetrans"
HOURS = 3600.0
NO_REUSE = {"x-compat-reuse": "never"}


def slow(home: House) -> None:
    """Make every submitted task run until `finish`."""
    home.fail(Rule("submit", Slow(seconds=HOURS), times=None))


def finish(home: House) -> None:
    """Let the tasks that `slow` holds back succeed."""
    for task in home.dashscope.tasks.values():
        task.fault = None


def submits(home: House) -> int:
    """Return the number of tasks submitted to the service."""
    return home.counts["submit"]


def polled_twice(home: House) -> Callable[[], bool]:
    """Return a condition that holds after two more polls of a task's state."""
    queries = home.counts["query"]
    return lambda: home.counts["query"] > queries + 1


def wait_for_polls(home: House) -> Callable[[], None]:
    """Return a function that blocks until a task's state has been polled twice more."""
    polled = polled_twice(home)
    return lambda: home.counts.wait_for(polled)


def until(condition: Callable[[], object]) -> None:
    """Poll `condition` until it is true. Raise AssertionError after 10 s."""
    gate = threading.Event()
    for _ in range(500):
        if condition():
            return
        gate.wait(0.02)
    raise AssertionError("the condition was not met within 10 s")


def send(home: House, audio: bytes, *, key: str = "alice", headers: dict[str, str] | None = None, **fields: Any) -> Any:  # noqa: ANN401 - httpx2's response
    """Request a transcription of `audio` from the file transcription model."""
    return httpx2.post(
        f"{home.base_url}/audio/transcriptions",
        data={"model": MODEL, **fields},
        files={"file": ("speech.wav", audio)},
        headers={"authorization": f"Bearer {key}", **(headers or {})},
        timeout=30,
    )


def look(home: House, job: str, *, key: str = "alice", method: str = "GET") -> Any:  # noqa: ANN401
    """Request a job by its id."""
    headers = {"authorization": f"Bearer {key}"}
    return httpx2.request(method, f"{home.base_url}/audio/transcriptions/{job}", headers=headers, timeout=30)


def finished(home: House, job: str) -> Any:  # noqa: ANN401
    """Return the response to a GET of the job once it has ended."""
    until(lambda: look(home, job).status_code != 202)
    return look(home, job)
