"""Whatever a worker process does, only one request fails and the next one succeeds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path

import pytest
import uvloop

from compat.audio import fit, probe
from compat.audio.pieces import split
from compat.audio.worker import Worker, WorkerQueue
from compat.config.principal import ANYONE
from compat.errors import BadAudio, BudgetSpent, CompatError, ContentRefused, DiskFull, RateLimited
from compat.transcript import Media
from tests.audio import hostile
from tests.audio.media import make, tone

QUEUE = WorkerQueue(ANYONE)
MEDIA = Media(
    path=Path("/a/b"), size=1, container="wav", mime="audio/wav", suffix=".wav", duration=1.5, rate=8000, channels=2
)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker(seconds=20)
    yield worker
    await worker.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_results_keep_their_types(worker: Worker) -> None:
    assert 42 == await worker.run(QUEUE, hostile.double, 21)
    assert (MEDIA, MEDIA.path, [(1.5, MEDIA)]) == await worker.run(QUEUE, hostile.echoed, media=MEDIA)
    await worker.run(QUEUE, hostile.nothing)


async def test_a_process_is_reused(worker: Worker) -> None:
    first = await worker.run(QUEUE, hostile.pid)

    assert first == await worker.run(QUEUE, hostile.pid)
    assert first != os.getpid()


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (hostile.killed, (signal.SIGSEGV,)),
        (hostile.killed, (signal.SIGKILL,)),
        (hostile.killed, (signal.SIGTERM,)),
        (hostile.exited, ()),
        (hostile.bloating, ()),
        (hostile.lying, ()),
        (hostile.broken, ()),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
async def test_a_crash_fails_one_request_only(
    worker: Worker, function: Callable[..., int], args: tuple[int, ...]
) -> None:
    queued = [asyncio.create_task(worker.run(QUEUE, hostile.double, number)) for number in range(3)]

    with pytest.raises(BadAudio, match="could not be read"):
        await worker.run(QUEUE, function, *args)
    queued += [asyncio.create_task(worker.run(QUEUE, hostile.double, number)) for number in range(3)]

    assert [0, 2, 4, 0, 2, 4] == await asyncio.gather(*queued)


async def test_a_hanging_process_is_killed() -> None:
    worker = Worker(seconds=4)
    pid = await worker.run(QUEUE, hostile.pid)
    waiting = asyncio.create_task(worker.run(QUEUE, hostile.idling))
    queued = asyncio.create_task(worker.run(QUEUE, hostile.double, 1))

    with pytest.raises(BadAudio, match="too long"):
        await waiting
    assert 2 == await queued
    await worker.close()
    assert not alive(pid)


async def test_a_cancelled_call_frees_its_place(worker: Worker) -> None:
    pid = await worker.run(QUEUE, hostile.pid)
    leaving = asyncio.create_task(worker.run(QUEUE, hostile.hanging))
    await asyncio.sleep(0)
    leaving.cancel()

    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert pid != await worker.run(QUEUE, hostile.pid)


async def test_an_idle_process_that_died_is_replaced(worker: Worker) -> None:
    pid = await worker.run(QUEUE, hostile.pid)
    os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(BadAudio):  # if its exit was not yet noticed
        await worker.run(QUEUE, hostile.double, 1)

    assert 4 == await worker.run(QUEUE, hostile.double, 2)


async def test_printed_output_is_not_part_of_the_result(worker: Worker) -> None:
    assert [1, 1] == [await worker.run(QUEUE, hostile.chatty), await worker.run(QUEUE, hostile.chatty)]


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (hostile.refused, BadAudio("in words")),
        (hostile.refused_content, ContentRefused("no")),
        (hostile.refused_otherwise, RateLimited("slowly", retry_after=2.5, code="c", param="p")),
        (hostile.full, DiskFull("The disk is full.")),
        (hostile.too_large, DiskFull("The disk is full.")),
    ],
)
async def test_compat_errors_keep_their_type(worker: Worker, function: Callable[[], int], error: CompatError) -> None:
    with pytest.raises(type(error)) as caught:
        await worker.run(QUEUE, function)

    assert error.body() == caught.value.body()
    assert error.headers() == caught.value.headers()


async def test_processes_work_at_the_same_time() -> None:
    worker = Worker(2)
    hanging = asyncio.create_task(worker.run(QUEUE, hostile.hanging))

    assert 2 == await worker.run(QUEUE, hostile.double, 1)
    await worker.close()
    with pytest.raises(CompatError):
        await hanging


async def test_short_work_does_not_wait_for_long_work() -> None:
    worker = Worker()
    hanging = asyncio.create_task(worker.run(WorkerQueue(ANYONE, long=True), hostile.hanging))

    assert 2 == await worker.run(QUEUE, hostile.double, 1)
    assert not hanging.done()
    await worker.close()
    with pytest.raises(CompatError):
        await hanging


@pytest.mark.parametrize("long", [False, True])
async def test_a_wait_ends_with_its_patience(*, long: bool) -> None:
    worker = Worker()
    hanging = asyncio.create_task(worker.run(WorkerQueue(ANYONE, long=long, patience=0.0), hostile.hanging))
    await asyncio.sleep(0)

    with pytest.raises(BudgetSpent) as spent:
        await worker.run(WorkerQueue(ANYONE, long=long, patience=0.0), hostile.double, 1)
    assert (429, "rate_limit_exceeded") == (spent.value.status, spent.value.code)
    assert "retry-after" in spent.value.headers()
    assert 2 == await worker.run(WorkerQueue(ANYONE, long=not long, patience=0.0), hostile.double, 1)
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    assert 2 == await worker.run(WorkerQueue(ANYONE, long=long, patience=0.0), hostile.double, 1)
    await worker.close()


async def test_the_environment_is_not_passed_on(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-secret")

    assert "sk-secret" not in (await worker.run(QUEUE, hostile.environment)).values()


@pytest.mark.skipif(sys.platform != "linux", reason="open files are listed in /proc")
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_sockets_are_not_inherited(run: Callable[[Coroutine[None, None, list[int]]], list[int]]) -> None:
    async def inherited() -> list[int]:
        worker = Worker()
        try:
            return await worker.run(QUEUE, hostile.open_sockets)
        finally:
            await worker.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.set_inheritable(True)

        assert os.fstat(server.fileno()).st_ino not in run(inherited())


async def test_no_process_is_left_after_close() -> None:
    worker = Worker(2)
    pids = [await worker.run(QUEUE, hostile.pid)]
    working = asyncio.create_task(worker.run(QUEUE, hostile.hanging))
    pids.append(await worker.run(QUEUE, hostile.pid))
    await worker.close()

    with pytest.raises(CompatError):
        await working
    await worker.close()
    assert [False, False] == [alive(pid) for pid in pids]


async def test_audio_is_measured_re_encoded_and_split_in_a_worker(worker: Worker, tmp_path: Path) -> None:
    path = make("webm", tone(3), 16_000, 1, tmp_path / "a")
    media = await worker.run(QUEUE, probe.measure, path)
    fitted = await worker.run(QUEUE, fit.fit, media, tmp_path / "b", max_bytes=1 << 20)
    pieces = [item async for item in worker.iterate(ANYONE, split, path, tmp_path, longest=2.0)]

    assert probe.measure(path) == media
    assert probe.measure(tmp_path / "b") == fitted
    assert 2 == len(pieces)
    assert pieces[1].start == pieces[0].media.duration


async def test_bad_audio_is_rejected_in_a_worker(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"not audio")

    with pytest.raises(BadAudio, match="text, not audio"):
        await worker.run(QUEUE, probe.measure, tmp_path / "a")


ORPHANING = """
import asyncio
from compat.audio.worker import Worker, WorkerQueue
from compat.config.principal import ANYONE
from tests.audio import hostile
from tests.audio.media import make, tone

async def main():
    worker, queue = Worker(2), WorkerQueue(ANYONE)
    pids = [await worker.run(queue, hostile.pid)]
    hanging = asyncio.create_task(worker.run(queue, hostile.hanging))
    pids.append(await worker.run(queue, hostile.pid))
    print(*pids, flush=True)
    await hanging

asyncio.run(main())
"""


def test_processes_die_with_their_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHANING], stdout=subprocess.PIPE, cwd=Path.cwd()) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
        os.set_blocking(parent.stdout.fileno(), True)

    assert 2 == len(pids)
    for pid in pids:
        for _ in range(1_000_000):
            if not alive(pid) or zombie(pid):
                break
            os.sched_yield()
        else:
            pytest.fail(f"process {pid} is still running")


def zombie(pid: int) -> bool:
    """Return whether a process is dead but not yet reaped, like an orphan in a container without an init."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_items_arrive_one_by_one(worker: Worker) -> None:
    assert [0, 1, 2] == [item async for item in worker.iterate(ANYONE, hostile.counting, 3)]
    assert [] == [item async for item in worker.iterate(ANYONE, hostile.counting, 0)]


async def test_the_next_item_is_computed_on_demand(worker: Worker, tmp_path: Path) -> None:
    async with contextlib.aclosing(worker.iterate(ANYONE, hostile.asked_for, tmp_path)) as items:
        assert [0, 1] == [await anext(items), await anext(items)]
        assert 6 == await worker.run(QUEUE, hostile.double, 3), "the pool is free meanwhile"
    await worker.close()

    assert ["0", "1"] == sorted(os.listdir(tmp_path))  # noqa: PTH208 - does not block the event loop for long


@pytest.mark.parametrize(
    ("function", "reason"),
    [(hostile.counting_to_a_crash, "could not be read"), (hostile.counting_to_a_refusal, "in words")],
)
async def test_an_iterator_that_fails(worker: Worker, function: Callable[[int], Iterator[int]], reason: str) -> None:
    items = worker.iterate(ANYONE, function, 2)

    assert [0, 1] == [await anext(items), await anext(items)]
    with pytest.raises(BadAudio, match=reason):
        await anext(items)
