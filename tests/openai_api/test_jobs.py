from __future__ import annotations

import json

import msgspec
import pytest

from compat.errors import ServiceFailed
from compat.openai_api import jobs

JOB = f"transcription_{'a' * 32}"


def test_a_job_has_a_status() -> None:
    done = jobs.progress(3600.04, 1260.02, 42)
    body = jobs.body(f"{JOB}-0", "in_progress", created=1_790_000_000.7, model="whisper-1", error=None, progress=done)
    job = json.loads(body)

    assert {
        "id": f"{JOB}-0",
        "object": "transcription.job",
        "status": "in_progress",
        "created_at": 1_790_000_000,
        "model": "whisper-1",
        "error": None,
        "progress": 0.35,
        "seconds_done": 1260.0,
        "seconds_total": 3600.0,
        "pieces_done": 42,
    } == job


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        ((60.0,), (None, None, 60.0, None)),  # a file task
        ((0.0,), (None, None, None, None)),  # audio at a url
        ((0.0, 30.0, 1), (None, 30.0, None, 1)),
        ((60.0, 0.0, 0), (0.0, 0.0, 60.0, 0)),
        ((60.0, 60.5, 2), (1.0, 60.5, 60.0, 2)),
    ],
)
def test_unknown_progress_is_null(done: tuple[float, ...], expected: tuple[float | None, ...]) -> None:
    progress = jobs.progress(*done)  # type: ignore[arg-type]  # the number of pieces is an int

    assert expected == msgspec.structs.astuple(progress)


def test_a_failed_job_has_an_error_object() -> None:
    error = ServiceFailed("DashScope failed.")
    job = json.loads(
        jobs.body(f"{JOB}-0", "failed", created=1, model="whisper-1", error=error, progress=jobs.Progress())
    )

    assert error.body()["error"] == job["error"]


def test_an_event_names_the_job_and_has_no_transcript() -> None:
    event = json.loads(jobs.event(f"{JOB}-3", "completed", 1_790_000_000.7))

    assert {
        "id": f"evt_{JOB}-3",
        "object": "event",
        "created_at": 1_790_000_000,
        "type": "transcription.job.completed",
        "data": {"id": f"{JOB}-3", "object": "transcription.job", "status": "completed"},
    } == event


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
def test_an_id_is_parsed(text: str, expected: tuple[str, int] | None) -> None:
    assert expected == jobs.parse_id(text)


def test_a_public_id_parses_to_its_parts() -> None:
    assert (JOB, 7) == jobs.parse_id(jobs.public_id(JOB, 7))
