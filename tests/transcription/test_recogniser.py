"""Preparing uploads: the order in which files are read, and the mixing of channels."""

from __future__ import annotations

import array
import asyncio
from pathlib import Path

import pytest

from compat.audio.worker import Worker, WorkerQueue
from compat.config.principal import ANYONE, Principal
from compat.config.settings import Settings
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.errors import BudgetSpent
from compat.transcript import Ask
from compat.transcription.recogniser import LARGE, Recogniser
from compat.upstream.http import Service
from tests.audio import hostile
from tests.audio.media import make, tone
from tests.running import running_server

NOWHERE = "http://127.0.0.1:1"


async def test_short_files_overtake_long_ones_and_long_ones_time_out(tmp_path: Path) -> None:
    """A worker is busy with a long file of the caller that never ends."""
    short = make("webm", tone(1), 16_000, 1, tmp_path / "short.webm")
    film = make("mp4", tone(1), 16_000, 1, tmp_path / "film.mp4")
    large = tmp_path / "large.webm"
    await asyncio.to_thread(large.write_bytes, short.read_bytes().ljust(LARGE + 1, b"\0"))
    worker = Worker()
    stuck = asyncio.create_task(worker.run(WorkerQueue(ANYONE, long=True), hostile.hanging))
    await asyncio.sleep(0)
    service = Service(NOWHERE, connect_timeout=5, answer_timeout=30, attempts=1)
    recogniser = Recogniser(Settings(base_url=NOWHERE, queue_wait=0.0), service, worker)
    for path in (short, film):
        assert (await recogniser.prepare(Ask(model="whisper-1"), path, Principal("k"))).fit is None
    with pytest.raises(BudgetSpent):
        await recogniser.prepare(Ask(model="whisper-1"), large, Principal("k"))
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)
    await worker.close()
    await service.close()


@pytest.mark.parametrize("container", ["wav", "flac", "mp3", "m4a", "webm"])
def test_channels_that_cancel_each_other_are_mixed_here(tmp_path: Path, container: str) -> None:
    """Otherwise the service might mix them to silence."""
    words = lay(VOCABULARY[:6])
    sound = array.array("h", [sign * sample for sample in array.array("h", encode(words)) for sign in (1, -1)])
    path = make(container, sound.tobytes(), 16_000, 2, tmp_path / f"a.{container}")
    with running_server(Tones()) as server:
        answer = server.client().audio.transcriptions.create(model="whisper-1", file=path)

    assert [word.text for word in words] == answer.text.split()
