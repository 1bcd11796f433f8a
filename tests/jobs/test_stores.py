"""The contract of job stores, tested on each implementation."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from compat.errors import Failure, ServiceUnavailable
from compat.jobs import transitions as changes
from compat.jobs.opening import open_store
from compat.jobs.records import Hook, Job, encode
from compat.jobs.sqlite import SqliteStore
from compat.jobs.store import Store
from compat.transcript import Ask, Segment, Transcript, Word
from tests.jobs.making import a_job
from tests.witnesses import free_port, redis_server

FAR = 4_000_000_000.0  # seconds since the epoch; Redis expires jobs that were due more than a day ago


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    match request.param:
        case "memory":
            return None
        case "sqlite":
            return str(tmp_path / "state" / "jobs.sqlite")
        case _:
            url: str = request.getfixturevalue("redis")
            return url


@pytest.fixture
async def store(place: str | None) -> AsyncIterator[Store]:
    opened = open_store(place)
    yield opened
    await opened.close()


def changed(job: Job, **changes: object) -> Job:
    return msgspec.structs.replace(job, **changes)


async def test_a_key_has_one_job(store: Store) -> None:
    first = a_job()
    second = a_job(key=first.key)

    assert first == await store.open(first)
    assert first == await store.open(second)
    assert first == await store.get(first.id)
    assert first == await store.find(first.key)
    assert await store.get(second.id) is None
    assert await store.find("no such key") is None


async def test_concurrent_opens_of_one_key_create_one_job(store: Store) -> None:
    jobs = [a_job(key="the same") for _ in range(30)]

    kept = await asyncio.gather(*(store.open(job) for job in jobs))

    assert 1 == len({job.id for job in kept})
    await store.drop(kept[0])


async def test_a_replaced_job_can_still_be_found_by_its_id(store: Store) -> None:
    first = await store.open(a_job())
    second, third = a_job(key=first.key), a_job(key=first.key)

    assert second == await store.open(second, instead_of=first.id)
    assert second == await store.open(third, instead_of=first.id)
    assert first == await store.get(first.id)


async def test_a_change_to_an_old_version_is_rejected(store: Store) -> None:
    job = await store.open(a_job())

    submitted = await store.swap(job, changed(job, task_id="task"))
    late = await store.swap(job, changed(job, state="cancelled"))

    assert submitted == changed(job, task_id="task", version=1)
    assert late is None
    assert submitted == await store.get(job.id)


async def test_one_of_many_concurrent_changes_is_made(store: Store) -> None:
    job = await store.open(a_job())

    made = await asyncio.gather(*(store.swap(job, changed(job, holder=f"process {n}")) for n in range(20)))

    assert 1 == len([kept for kept in made if kept])


async def test_all_fields_are_stored(store: Store) -> None:
    segments = (
        Segment(text="你好 world", start=0.1, end=1.5, words=(Word("你好", 0.1, 0.5),), speaker="A", channel=1),
    )
    job = a_job(
        views=(Ask(model="whisper-1", response_format="verbose_json", granularities=frozenset({"word", "segment"})),),
        hooks=(Hook("https://caller.example/done", 0),),
        transcript=Transcript(text="你好 world", segments=segments, language="zh", duration=600.5, task_id="t"),
        failure=Failure(kind="ServiceFailed", message="it failed", code="upstream_error", retry_after=2.5),
    )

    await store.open(job)

    assert job == await store.get(job.id)


async def test_jobs_are_listed_when_they_are_due(store: Store) -> None:
    late, early, never = a_job(due=FAR + 2), a_job(due=FAR + 1), a_job(due=FAR + 50)
    for job in (late, early, never):
        await store.open(job)

    assert [early, late] == await store.due_jobs(FAR + 10)
    renewed = await store.swap(early, changed(early, due=FAR + 60))
    assert [late] == await store.due_jobs(FAR + 10)

    for job in (late, renewed or early, never):
        await store.drop(job)
    assert [] == await store.due_jobs(FAR + 99)


async def test_a_job_whose_webhook_is_due_at_once_is_kept(store: Store) -> None:
    """Older releases registered new webhooks at 0.0."""
    job = await store.open(a_job(hooks=(Hook("https://caller.example/done", 0),)))
    over = changes.ended(job, changes.CANCELLED, time.time())
    assert over is not None
    ended = await store.swap(job, over)

    assert ended is not None
    assert ended == await store.get(job.id)
    assert [ended] == await store.due_jobs(time.time())
    await store.drop(ended)


async def test_dropping_a_job_frees_its_key(store: Store) -> None:
    job = await store.open(a_job())
    await store.drop(job)

    assert await store.get(job.id) is None
    assert await store.swap(job, job) is None
    again = a_job(key=job.key)
    assert again == await store.open(again)


async def test_dropping_a_replaced_job_leaves_its_successor(store: Store) -> None:
    first = await store.open(a_job())
    second = await store.open(a_job(key=first.key), instead_of=first.id)
    await store.drop(first)

    assert second == await store.open(a_job(key=first.key))


def holding(folder: Path, words: str) -> list[str]:
    return [file.name for file in folder.iterdir() if words.encode() in file.read_bytes()]


@pytest.mark.parametrize("after", ["erased", "killed"])
async def test_an_erased_answer_is_not_on_disk(tmp_path: Path, after: str) -> None:
    """Results of many sizes, which SQLite puts on shared pages and on overflow pages; also if the process is killed."""
    path, words = tmp_path / "jobs.sqlite", "It was the best of times. "
    first, second = SqliteStore(path), SqliteStore(path)
    for number in range(12):
        job = await first.open(a_job(id=f"transcription_{number:032x}", key=f"key {number}"))
        done = await first.swap(job, changed(job, state="completed", transcript=Transcript(text=words * 2**number)))
        assert done is not None
        assert await second.get(job.id) == done
        if after == "killed":
            with contextlib.closing(sqlite3.connect(path)) as db:  # as the store does, but without the checkpoint
                db.execute("UPDATE jobs SET record = ? WHERE id = ?", (encode(changed(done, transcript=None)), done.id))
                db.commit()
        else:
            await first.swap(done, changed(done, transcript=None))
    if after == "killed":
        third = SqliteStore(path)
        await third.get("anything")
        await third.close()

    assert [] == holding(tmp_path, words)
    await first.close()
    await second.close()


@pytest.mark.parametrize("place", ["sqlite", "redis"], indirect=True)
async def test_two_processes_share_a_store(place: str) -> None:
    ours, theirs = open_store(place), open_store(place)
    job = await ours.open(a_job())

    assert job == await theirs.open(a_job(key=job.key))
    kept = await theirs.swap(job, changed(job, task_id="task"))
    assert kept == await ours.get(job.id)

    await ours.close()
    await theirs.close()


async def test_the_file_is_private(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "state" / "jobs.sqlite"))
    await store.open(a_job())

    modes = [path.stat().st_mode & 0o077 for path in (tmp_path / "state").iterdir()]
    assert {0} == set(modes)
    await store.close()


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_an_unreachable_store_raises_an_error_with_retry_after(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    place = str(folder / "jobs.sqlite") if kind == "sqlite" else f"redis://127.0.0.1:{free_port()}/0"
    store = open_store(place)
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("not a folder any more")
    job = a_job()

    for work in (store.open(job), store.get(job.id), store.swap(job, job), store.due_jobs(1), store.drop(job)):
        with pytest.raises(ServiceUnavailable) as caught:
            await work
        assert caught.value.headers()["retry-after"] == "5"
    await store.close()


async def test_the_error_of_sqlite_is_named(tmp_path: Path) -> None:
    (file := tmp_path / "jobs.sqlite").write_text("no database" * 100)
    store = SqliteStore(file)

    with pytest.raises(ServiceUnavailable, match=r"\(SQLITE_NOTADB\)"):
        await store.get("a")
    await store.close()


async def test_connections_closed_by_redis_are_reopened(redis: str) -> None:
    store = open_store(redis)
    job = await store.open(a_job())
    await asyncio.gather(*(store.get(job.id) for _ in range(5)))  # each over its own connection
    reader, writer = await asyncio.open_connection("127.0.0.1", int(redis.rpartition(":")[2].removesuffix("/0")))
    writer.write(b"CLIENT KILL TYPE normal\r\n")
    assert (await reader.readline()).startswith(b":")
    writer.close()

    assert [job] * 5 == [await store.get(job.id) for _ in range(5)]
    await store.close()


async def test_repeating_a_change_whose_response_was_lost_succeeds(redis: str) -> None:
    store = open_store(redis)
    job = await store.open(a_job())
    results = [await store.swap(job, changed(job, task_id="task")) for _ in range(2)]

    assert [changed(job, task_id="task", version=1)] * 2 == results
    await store.close()


@pytest.mark.parametrize("steps", range(12))
async def test_a_cancellation_is_never_lost(store: Store, steps: int) -> None:
    await store.get("a job")  # opens the store

    async def look_for_ever() -> None:
        await store.get("a job")
        await asyncio.Event().wait()

    looking = asyncio.ensure_future(look_for_ever())
    for _ in range(steps):
        await asyncio.sleep(0)
    looking.cancel()
    done, _ = await asyncio.wait([looking], timeout=20)

    assert {looking} == done
