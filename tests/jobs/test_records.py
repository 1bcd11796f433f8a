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
def test_an_error_survives(exc: CompatError) -> None:
    again = records.error(records.failure(exc))

    assert (type(exc), exc.body(), exc.headers()) == (type(again), again.body(), again.headers())


def test_what_another_release_wrote_is_not_there() -> None:
    assert records.decode(b"\x80") is None
    assert records.decode(b"not msgpack") is None


def test_a_record_survives() -> None:
    job = a_job()

    assert job == records.decode(records.encode(job))


def test_a_kept_request_holds_neither_words_nor_places() -> None:
    said = msgspec.structs.replace(REQUEST, context="the patient's name is")

    restored = records.restored(records.kept(said))

    place = msgspec.structs.replace(REQUEST.media, path=Path())
    assert msgspec.structs.replace(REQUEST, media=place) == restored
