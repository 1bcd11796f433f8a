"""Sixty-four uploads at a time: health stays quick, and nothing holds the event loop up."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx2
import stamina
import uvicorn

from compat.app import create_app
from compat.emulator.app import create_app as create_emulator
from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.serving import config
from compat.settings import Settings
from tests.audio import media
from tests.servers import serve
from tests.witnesses import free_port

UPLOADS = 64
BLOCKED = 0.3
"""Seconds of the thread's own time in one turn of the loop, which many uploads share: 0.07 to 0.12 where measured."""
HEALTH = 0.2
"""Seconds in which half of all health checks are answered, by a server that shares two cores with all that loads it."""


class Stopwatch:
    """The longest time in which the loop did nothing else."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        while True:
            started = time.thread_time()
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.thread_time() - started)


async def test_work_never_holds_the_loop_up(tmp_path: Path) -> None:
    speech = media.make("mp3", media.tone(30.0), 16000, 1, tmp_path / "a.mp3").read_bytes()
    said = (Sentence(text="hello", begin_ms=0, end_ms=500),)
    with serve(create_emulator(Scripted(said))) as root:
        settings = Settings(base_url=root, dashscope_api_key="k", spool=tmp_path, log_level="error")
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        whole = config(create_app(settings))
        whole.port = port
        server = uvicorn.Server(whole)
        serving = asyncio.create_task(server.serve())
        try:
            await asyncio.to_thread(_load, address, 1, speech)  # what is done once, such as imports
            stopwatch = Stopwatch()
            watching = asyncio.create_task(stopwatch.run())
            statuses, healths = await asyncio.to_thread(_load, address, UPLOADS, speech)
            watching.cancel()
        finally:
            server.should_exit = True
            await serving

    assert [200] * UPLOADS == statuses
    assert stopwatch.longest < BLOCKED
    assert sorted(healths)[len(healths) // 2] < HEALTH


def _load(root: str, uploads: int, speech: bytes) -> tuple[list[int], list[float]]:
    return asyncio.run(_loaded(root, uploads, speech))


async def _loaded(root: str, count: int, speech: bytes) -> tuple[list[int], list[float]]:
    """The uploads' statuses, and the seconds that health took meanwhile."""
    healths = []
    async with httpx2.AsyncClient(timeout=60, limits=httpx2.Limits(max_connections=None)) as client:
        async for attempt in stamina.retry_context(on=httpx2.ConnectError, attempts=100, wait_max=0.05):
            with attempt:
                await client.get(f"{root}/healthz")

        async def upload() -> int:
            form = {"model": "whisper-1"}
            url = f"{root}/v1/audio/transcriptions"
            return (await client.post(url, files={"file": ("a.mp3", speech)}, data=form)).status_code

        uploads = asyncio.gather(*(upload() for _ in range(count)))
        while not uploads.done():
            started = time.perf_counter()
            assert 200 == (await client.get(f"{root}/healthz")).status_code
            healths.append(time.perf_counter() - started)
            await asyncio.sleep(0.01)
        return await uploads, healths
