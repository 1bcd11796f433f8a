"""Stores written by older releases: every job can be read, and jobs under way continue.

`written_by_c331193.sql` and `.json` contain the SQLite file and the Redis keys that commit c331193 wrote. Their jobs
are waiting, submitted to either account, done, failed, cancelled and expired.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from compat.errors import Failure, error
from compat.jobs import records, transitions
from compat.jobs.janitor import Janitor
from compat.jobs.manager import JobManager
from compat.jobs.opening import open_store
from compat.jobs.records import Hook, Job, UnreadableRecord
from compat.jobs.runner import JobRunner
from compat.jobs.store import UNREADABLE_KEPT, Store
from compat.spending.accounting import Accounting
from compat.transcript import Ask, Media, Request
from tests.jobs.making import a_job
from tests.jobs.test_janitor import Office, office, submitted, until
from tests.jobs.test_stores import redis

__all__ = ["office", "redis"]  # fixtures

HERE = Path(__file__).parent
VIEW = Ask(
    model="whisper-1",
    response_format="verbose_json",
    granularities=frozenset({"word"}),
    language="en",
    background=True,
)
STATES = {
    "waiting": ("queued", None),
    "submitted": ("running", "task-submitted"),
    "fallback": ("running", "fallback:task-elsewhere"),
    "done": ("completed", "task-done"),
    "failed": ("failed", "task-failed"),
    "cancelled": ("cancelled", None),
    "expired": ("expired", None),
}


@pytest.fixture(params=["sqlite", "redis"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        path = tmp_path / "jobs.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.executescript((HERE / "written_by_c331193.sql").read_text())
        return str(path)
    url: str = request.getfixturevalue("redis")
    client = Redis.from_url(url)
    await client.flushall()
    for key, value in json.loads((HERE / "written_by_c331193.json").read_text()).items():
        if isinstance(value, str):
            await client.set(key, value)
        elif key.endswith(":due"):
            await client.zadd(key, value)
        else:
            fields: Any = {name: base64.b64decode(field) for name, field in value.items()}
            await client.hset(key, mapping=fields)
    await client.aclose()
    return url


@pytest.fixture
async def store(place: str) -> AsyncIterator[Store]:
    opened = open_store(place)
    yield opened
    await opened.close()


async def kept(store: Store, name: str) -> Job:
    job = await store.get(f"transcription_{name}")
    assert job is not None
    return job


async def test_every_job_can_be_read(store: Store) -> None:
    jobs = {name: await kept(store, name) for name in STATES}

    assert STATES == {name: (job.state, job.task_id) for name, job in jobs.items()}
    assert {("c331193", "tenant-1", 4_000_000_000.0)} == {(job.holder, job.owner, job.due) for job in jobs.values()}
    assert (VIEW,) == jobs["done"].views
    assert (Hook("https://example.com/hook", 0),) == jobs["submitted"].hooks
    transcript, failure = jobs["done"].transcript, jobs["failed"].failure
    assert transcript is not None
    assert ("The best.", 601) == (transcript.text, transcript.usage.seconds)
    assert [("The ", 0.1, 0.4), ("best.", 0.4, 0.9)] == [
        (word.text, word.start, word.end) for word in transcript.segments[0].words
    ]
    assert failure is not None
    raised = error(failure)
    assert (502, "upstream_error", "DashScope failed.") == (raised.status, raised.code, raised.message)


async def test_the_same_request_joins_its_job(store: Store) -> None:
    for name in STATES:
        job = await kept(store, name)
        assert job == await store.open(a_job(key=job.key))


async def test_jobs_keep_the_time_they_are_due(store: Store) -> None:
    assert [] == await store.due_jobs(3_999_999_999.0)
    assert {f"transcription_{name}" for name in STATES} == {job.id for job in await store.due_jobs(4_000_000_001.0)}


async def test_a_submitted_task_is_followed_to_its_end(store: Store, office: Office, tmp_path: Path) -> None:
    _, task_id = await submitted(office, tmp_path)  # a task that this service knows, unlike the one in the record
    job = await kept(store, "submitted")
    now = time.time()
    ours = {"service": office.jobs.service("k"), "task_id": task_id, "created": now, "due": now - 1, "hooks": ()}
    assert await store.swap(job, msgspec.structs.replace(job, **ours))
    runs = JobRunner(
        store, office.recogniser, office.service, Accounting(store.ledger()), name="this process", grace=600
    )

    async with runs.open():
        runs.spawn(Janitor(runs, JobManager(office.settings, runs), None).keep([]))
        ended = await until(lambda: store.get(job.id), lambda job: job is not None and not job.under_way)

    assert ended is not None
    assert ended.transcript is not None
    assert ("completed", "The best.", task_id) == (ended.state, ended.transcript.text, ended.transcript.task_id)


MEDIA = Media(
    path=Path("anywhere"), size=1, container="wav", mime="audio/wav", suffix=".wav", duration=9.0, rate=8000, channels=1
)
QWEN3: dict[str, Any] = {"model": "qwen3-asr-flash-filetrans", "surface": "filetrans"}
QWEN3 |= {"words": True, "language": "en", "context": "names: Ada", "options": {"enable_itn": True}}
QWEN_AUDIO: dict[str, Any] = {"model": "qwen-audio-3.1-asr-flash-filetrans", "surface": "filetrans-3", "language": "zh"}
QWEN_AUDIO |= {"options": {"special_word_filter": {"system_reserved_filter": False}, "speaker_count": 2}}
IDENTITIES: list[tuple[dict[str, Any], str]] = [
    # parameters of the request → the key that c331193 gave its job
    (QWEN3, "257fca20f6c2d6162e51b8ceb2f5770b1a7f241cf45a040405fdf30d39011424"),
    (
        {"model": "fun-asr", "surface": "transcription"},
        "d29dd503159042458f02a3df8e2178bb331dcd4dfbede1a752d34d3a66325898",
    ),
    (QWEN_AUDIO, "fe24448b9dc7fc90584cbd95e9d119337bc9065fac00bc46006be0160dda0f4e"),
]
SERVICE = "99b889627dae5eb00dee1389bbfed6a5ba8c57cc36b1b7df7f3588791e7c4339"


@pytest.mark.parametrize(("asked", "key"), IDENTITIES, ids=["qwen3", "fun-asr", "qwen-audio"])
def test_requests_have_the_same_job_keys_as_in_older_releases(asked: dict[str, Any], key: str) -> None:
    assert SERVICE == records.digest("https://dashscope.aliyuncs.com", "sk-fixture")
    assert key == records.identity("0" * 64, "tenant-1", SERVICE, Request(media=MEDIA, **asked))


KINDS = {
    # names of errors in records of older releases → their status
    "BadAudio": 400, "BadRequest": 400, "BudgetSpent": 429, "CircuitOpen": 503, "CompatError": 500, "Conflict": 409,
    "ContentRefused": 400, "DiskFull": 507, "FileNotFetched": 502, "Forbidden": 403, "Gone": 410, "ModelNotFound": 404,
    "NotAuthenticated": 401, "NotFound": 404, "Overloaded": 503, "QuotaExceeded": 429, "RateLimited": 429,
    "ServiceFailed": 502, "ServiceTimedOut": 504, "ServiceUnavailable": 503, "TooLarge": 413, "TooSlow": 408,
}  # fmt: skip


@pytest.mark.parametrize(("kind", "status"), KINDS.items())
def test_errors_keep_their_names(kind: str, status: int) -> None:
    raised = error(Failure(kind=kind, message="x", code="y", param="z"))

    assert (kind, status, "y", "z") == (type(raised).__name__, raised.status, raised.code, raised.param)


GONE = {"context": ""}  # fields that are no longer written, with the default of older releases


def shared(new: Any, old: Any) -> object:  # noqa: ANN401 - msgpack's values
    """Return `new` as an older release reads it: without unknown fields, with defaults for those that are gone."""
    if isinstance(old, dict):
        return {name: shared(GONE[name] if name not in new else new[name], value) for name, value in old.items()}
    if isinstance(old, list) and len(new) >= len(old):
        return [shared(one, other) for one, other in zip(new, old, strict=False)]
    return new


def test_an_older_release_can_read_the_records_of_this_one() -> None:
    stored = json.loads((HERE / "written_by_c331193.json").read_text())
    older = [base64.b64decode(value["record"]) for key, value in stored.items() if ":job:" in key]
    for record in older:
        fields = msgspec.msgpack.decode(record)
        again = msgspec.msgpack.decode(records.encode(records.decode(record, fields["id"])))
        assert fields == shared(again, fields)


@pytest.fixture(params=["sqlite", "redis"])
async def mixed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """A store shared with a newer release."""
    url: str = request.getfixturevalue("redis") if request.param == "redis" else str(tmp_path / "jobs.sqlite")
    opened = open_store(url)
    yield opened
    await opened.close()


async def test_a_job_of_a_newer_release_is_neither_lost_nor_started_again(mixed: Store) -> None:
    theirs = a_job(format=records.FORMAT + 1, due=4_000_000_000.0)
    with contextlib.suppress(UnreadableRecord):  # the Redis store decodes the record it has just written
        await mixed.open(theirs)

    for attempt in (mixed.get(theirs.id), mixed.open(a_job(key=theirs.key)), mixed.get(theirs.id)):
        with pytest.raises(UnreadableRecord):
            await attempt
    ours = await mixed.open(a_job(due=4_000_000_001.0))
    due = await mixed.due_jobs(4_000_000_002.0)
    assert ours.id in {job.id for job in due}
    assert theirs.id not in {job.id for job in due}


async def test_an_unreadable_job_with_a_new_webhook_is_kept(mixed: Store) -> None:
    """The webhook was registered long before the job ended; it is due from the end on."""
    now, theirs = time.time(), a_job(format=records.FORMAT + 1)
    asked = transitions.requested(theirs, VIEW, "https://caller.example/done", now - 2 * UNREADABLE_KEPT)
    assert asked is not None
    ended = transitions.ended(asked, transitions.CANCELLED, now)
    assert ended is not None
    with contextlib.suppress(UnreadableRecord):  # see above
        await mixed.open(ended)

    assert theirs.id not in {job.id for job in await mixed.due_jobs(now + 1)}
    with pytest.raises(UnreadableRecord):
        await mixed.get(theirs.id)
