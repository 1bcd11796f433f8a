from __future__ import annotations

import json

import pytest

from compat.errors import ServiceFailed
from compat.openai_api import jobs

JOB = f"transcription_{'a' * 32}"


def test_a_job_says_how_it_stands() -> None:
    told = json.loads(jobs.body(f"{JOB}-0", "in_progress", created=1_790_000_000.7, model="whisper-1", error=None))

    assert {
        "id": f"{JOB}-0",
        "object": "transcription.job",
        "status": "in_progress",
        "created_at": 1_790_000_000,
        "model": "whisper-1",
        "error": None,
    } == told


def test_a_failed_job_says_why() -> None:
    error = ServiceFailed("DashScope failed.")
    told = json.loads(jobs.body(f"{JOB}-0", "failed", created=1, model="whisper-1", error=error))

    assert error.body()["error"] == told["error"]


def test_an_event_names_the_job_and_holds_no_words() -> None:
    told = json.loads(jobs.event(f"{JOB}-3", "completed", 1_790_000_000.7))

    assert {
        "id": f"evt_{JOB}-3",
        "object": "event",
        "created_at": 1_790_000_000,
        "type": "transcription.job.completed",
        "data": {"id": f"{JOB}-3", "object": "transcription.job", "status": "completed"},
    } == told


IDS = [
    (f"{JOB}-0", (JOB, 0)),
    (f"{JOB}-12", (JOB, 12)),
    (JOB, None),
    (f"{JOB}-", None),
    (f"{JOB}-x", None),
    ("whisper-1", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "expected"), IDS)
def test_ids_are_read(text: str, expected: tuple[str, int] | None) -> None:
    assert expected == jobs.parse_id(text)


def test_an_id_is_read_as_it_was_written() -> None:
    assert (JOB, 7) == jobs.parse_id(jobs.public_id(JOB, 7))
