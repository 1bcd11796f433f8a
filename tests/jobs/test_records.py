from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from compat import errors
from compat.errors import CompatError
from compat.jobs import records
from tests.jobs.making import REQUEST, a_job

ERRORS = [
    CompatError("it failed"),
    errors.ServiceFailed("the task failed", code="upstream_error"),
    errors.FileNotFetched("not fetched"),
    errors.RateLimited("slower", retry_after=3.0),
    errors.ContentRefused("no", param="file"),
    errors.ServiceTimedOut("late"),
]


@pytest.mark.parametrize("exc", ERRORS, ids=lambda exc: type(exc).__name__)
def test_an_error_is_restored_unchanged(exc: CompatError) -> None:
    again = errors.error(errors.failure(exc))

    assert (type(exc), exc.body(), exc.headers()) == (type(again), again.body(), again.headers())


UNREADABLE = [b"", b"\x80", b"not msgpack", records.encode(a_job(format=records.FORMAT + 1))]


@pytest.mark.parametrize("record", UNREADABLE)
def test_an_unreadable_record_raises_an_error_and_is_logged_once(
    record: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = f"transcription_{len(record)}"
    for _ in range(3):
        with pytest.raises(records.UnreadableRecord) as caught:
            records.decode(record, job_id)

    assert (503, "job_unreadable") == (caught.value.status, caught.value.code)
    assert [{"job": job_id}] == [entry.__dict__["fields"] for entry in caplog.records]


def test_a_record_is_decoded_unchanged() -> None:
    job = a_job()

    assert job == records.decode(records.encode(job), job.id)


def test_a_stored_request_contains_neither_prompt_nor_path() -> None:
    prompted = msgspec.structs.replace(REQUEST, context="the patient's name is")

    restored = records.restored(records.kept(prompted))

    media = msgspec.structs.replace(REQUEST.media, path=Path())
    assert msgspec.structs.replace(REQUEST, media=media) == restored
