"""How the janitor treats the jobs in a store, with real tasks on the emulator."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest

from compat.audio import probe
from compat.audio.worker import Worker
from compat.config.principal import Principal
from compat.config.settings import Settings
from compat.dashscope_api import filetrans
from compat.emulator.app import create_app
from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.jobs import transitions
from compat.jobs.janitor import LANES, Janitor
from compat.jobs.manager import JobManager
from compat.jobs.opening import open_store
from compat.jobs.records import Hook, Job, kept
from compat.jobs.runner import JobRunner
from compat.jobs.store import Store
from compat.spending.accounting import Accounting
from compat.spending.records import DAY, Charge
from compat.transcript import Ask, Request, Transcript
from compat.transcription.file_tasks import drive
from compat.transcription.recogniser import Recogniser
from compat.upstream.http import Account, Service
from compat.upstream.webhooks import Webhooks
from tests.audio.media import make
from tests.jobs.making import a_job
from tests.servers import serve

SENTENCES = (Sentence(text="The best.", begin_ms=100, end_ms=900),)
VIEW = Ask(model="whisper-1")
Look: TypeAlias = Callable[[], Awaitable[Job | None]]


class Office:
    """A store with everything that a janitor needs."""

    def __init__(self, settings: Settings, service: Service, worker: Worker, store: Store) -> None:
        self.settings = settings
        self.service = service
        self.store = store
        self.recogniser = Recogniser(settings, service, worker)
        self.states: list[str] = []
        on_state, self.accounting = self.states.append, Accounting(store.ledger())
        self.runs = JobRunner(
            store,
            self.recogniser,
            service,
            self.accounting,
            name="this process",
            grace=600,
            on_state=on_state,
        )
        self.jobs = JobManager(settings, self.runs)

    async def see(self, job: Job, *, dead: tuple[str, ...] = ()) -> Look:
        """Store `job` and start a janitor. Return a function that reads the job."""
        await self.store.open(job)
        self.runs.spawn(Janitor(self.runs, self.jobs, None).keep(list(dead)))
        return lambda: self.store.get(job.id)

    def ours(self, **fields: object) -> Job:
        """Return a job of this process's account whose lease has expired."""
        now = time.time()
        given = {"service": self.jobs.service(self.settings.dashscope_api_key or ""), "created": now, "due": now - 1}
        return a_job(**{"holder": "another process", **given, **fields})


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    with serve(create_app(Scripted(SENTENCES))) as root:
        settings = Settings(base_url=root, dashscope_api_key="k")
        service, worker = Service(root, connect_timeout=5, answer_timeout=30, attempts=1), Worker()
        office = Office(settings, service, worker, open_store(str(tmp_path / "jobs.sqlite")))
        async with office.runs.open():
            yield office
        await office.store.close()
        await worker.close()
        await service.close()


async def until(look: Look, holds: Callable[[Job | None], bool]) -> Job | None:
    async with asyncio.timeout(10):
        while not holds(job := await look()):
            pass  # each look awaits the store's thread, so the event loop keeps running
    return job


class Remembering:
    awaited = True

    def __init__(self) -> None:
        self.task_id = asyncio.get_running_loop().create_future()

    async def submitting(self) -> None:
        pass

    async def submitted(self, task_id: str) -> None:
        self.task_id.set_result(task_id)


async def submitted(office: Office, folder: Path) -> tuple[Request, str]:
    """Submit a task and stop following it. Return the request and the task's id."""
    path = make("wav", bytes(32000), 16000, 1, folder / "speech.wav")
    media = probe.header(path)
    assert media is not None
    request = Request(model="qwen3-asr-flash-filetrans", surface="filetrans", media=media)
    owner = Remembering()
    flow = filetrans.transcribe(request, name="speech.wav", boundary="b0undary", deadline=60)
    running = asyncio.ensure_future(drive(flow, Account(office.service, Principal("k")), owner))
    task_id: str = await owner.task_id
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    return request, task_id


async def test_a_dead_process_s_task_is_followed_to_its_end(office: Office, tmp_path: Path) -> None:
    request, task_id = await submitted(office, tmp_path)
    look = await office.see(office.ours(asked=kept(request), task_id=task_id, state="running"))

    job = await until(look, lambda job: job is not None and not job.under_way)

    assert job is not None
    assert job.transcript is not None
    assert ("completed", "The best.", task_id) == (job.state, job.transcript.text, job.transcript.task_id)


async def test_the_lease_of_a_process_known_to_be_dead_is_ignored(office: Office, tmp_path: Path) -> None:
    request, task_id = await submitted(office, tmp_path)
    fresh = office.ours(asked=kept(request), task_id=task_id, state="running", due=time.time() + transitions.LEASE)
    look = await office.see(fresh, dead=("another process",))

    job = await until(look, lambda job: job is not None and not job.under_way)

    assert job is not None
    assert "completed" == job.state


async def test_a_background_job_whose_audio_is_lost_fails(office: Office) -> None:
    look = await office.see(office.ours(views=(VIEW,)))

    job = await until(look, lambda job: job is not None and not job.under_way)

    assert job is not None
    assert job.failure is not None
    assert ("failed", "job_lost") == (job.state, job.failure.code)
    assert ["failed"] == office.states


async def test_a_job_without_task_audio_and_caller_is_dropped(office: Office) -> None:
    await until(await office.see(office.ours()), lambda job: job is None)


async def left(office: Office) -> int:
    """Return how much of alice's bound of 10 s is left today, in milliseconds."""
    charge = await office.accounting.take("alice", 10, least=1, most=10_000)
    return charge.ms if charge else 0


async def charge(office: Office) -> dict[str, object]:
    """Reserve 4 s of alice's bound. Return fields of a job."""
    return {"client": "alice", "charge": await office.accounting.take("alice", 10, least=4_000, most=4_000)}


async def test_a_dead_process_s_charge_is_settled_when_its_task_ends(office: Office, tmp_path: Path) -> None:
    request, task_id = await submitted(office, tmp_path)
    fields = {"asked": kept(request), "task_id": task_id, "state": "running", **await charge(office)}
    look = await office.see(office.ours(**fields))

    job = await until(look, lambda job: job is not None and not job.under_way)

    assert job is not None
    assert job.charge is None
    assert 9_000 == await left(office)  # the audio lasts 1 s


@pytest.mark.parametrize("views", [(), (VIEW,)])
async def test_the_charge_of_a_lost_job_is_given_back_once(office: Office, views: tuple[Ask, ...]) -> None:
    job = office.ours(views=views, **await charge(office))
    look = await office.see(job)
    office.runs.spawn(Janitor(office.runs, office.jobs, None).keep([]))

    await until(look, lambda job: job is None or not job.under_way)
    async with asyncio.timeout(10):
        while (ms := await left(office)) == 6_000:
            await office.accounting.settle(Charge("alice", int(time.time() // DAY), ms), 0.0)

    assert 10_000 == ms


async def test_a_job_with_a_caller_in_another_process_is_released_for_it(office: Office) -> None:
    look = await office.see(office.ours(awaited=time.time() + 60))

    job = await until(look, lambda job: job is not None and job.holder == transitions.NOBODY)

    assert job is not None
    assert job.under_way


async def test_a_job_of_another_account_is_released_for_its_caller(office: Office) -> None:
    look = await office.see(office.ours(service="another account", task_id="task", state="running"))

    job = await until(look, lambda job: job is not None and job.holder == transitions.NOBODY)

    assert job is not None
    assert transitions.abandoned(job, time.time(), dead=())


async def test_a_job_of_an_earlier_local_engine_fails(office: Office) -> None:
    office.jobs = JobManager(office.settings, office.runs, local=True)
    service = office.jobs.service("the key of an earlier engine")
    look = await office.see(office.ours(service=service, task_id="task", state="running", views=(VIEW,)))

    job = await until(look, lambda job: job is not None and not job.under_way)

    assert job is not None
    assert job.failure is not None
    assert ("failed", "upstream_error") == (job.state, job.failure.code)


async def test_a_background_job_that_no_process_took_over_fails(office: Office) -> None:
    look = await office.see(office.ours(created=1.0, service="another account", task_id="task", views=(VIEW,)))

    job = await until(look, lambda job: job is not None and not job.under_way)

    assert job is not None
    assert job.failure is not None
    assert "job_lost" == job.failure.code


OLD = [
    ("a job that no process took over", {"created": 1.0, "service": "another account", "task_id": "task"}),
    ("an erased job", {"state": "expired"}),
]


@pytest.mark.parametrize("fields", [fields for _, fields in OLD], ids=[name for name, _ in OLD])
async def test_old_records_are_dropped(office: Office, fields: dict[str, Any]) -> None:
    await until(await office.see(office.ours(**fields)), lambda job: job is None)


async def test_a_result_is_erased_after_its_retention_time(office: Office) -> None:
    done = office.ours(state="completed", transcript=Transcript(text="The best."), until=time.time() - 1)
    look = await office.see(done)

    job = await until(look, lambda job: job is not None and job.state == "expired")

    assert job is not None
    assert job.transcript is None
    assert job.due > time.time()


async def test_a_failed_webhook_call_is_rescheduled(office: Office) -> None:
    hook = Hook("https://caller.example/", 0)
    look = await office.see(office.ours(state="failed", views=(VIEW,), hooks=(hook,), until=time.time() + 600))

    job = await until(look, lambda job: job is not None and job.hooks[0].tries == 1)

    assert job is not None
    assert msgspec.structs.replace(hook, tries=1, at=job.due) == job.hooks[0]


async def test_one_owner_s_webhooks_leave_room_for_another_s(office: Office) -> None:
    """The first owner's receiver never responds, and its webhooks are due first and outnumber the lanes."""
    over, called = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.readline()).startswith(b"POST /slow "):
            await over.wait()
        else:
            called.set()
        writer.close()

    def ended(owner: str, number: int, url: str) -> Job:
        fields: dict[str, Any] = {"state": "failed", "views": (VIEW,), "hooks": (Hook(url, 0),)}
        fields |= {"owner": owner, "due": float(number), "until": time.time() + 600}
        return office.ours(id=f"transcription_{number:032x}", key=f"{owner}{number}", **fields)

    webhooks = Webhooks(b"secret", private=True)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        root = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for number in range(2 * LANES):
            await office.store.open(ended("greedy", number, f"{root}/slow"))
        await office.store.open(ended("other", 2 * LANES, f"{root}/done"))
        keeping = office.runs.spawn(Janitor(office.runs, office.jobs, webhooks).keep([]))
        async with asyncio.timeout(10):
            await called.wait()
        waiting = [
            job.hooks[0].tries for job in await office.store.due_jobs(time.time() + 86400) if job.owner == "greedy"
        ]
        keeping.cancel()
        over.set()
        await webhooks.close()

    assert [0] * len(waiting) == waiting
