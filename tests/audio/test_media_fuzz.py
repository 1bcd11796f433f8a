"""Files in ten containers with bytes changed, removed and repeated are measured or rejected, within bounds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from compat.audio import probe
from compat.audio.worker import Worker, WorkerQueue
from compat.config.principal import ANYONE
from compat.errors import CompatError
from tests.audio import media

CONTAINERS = ("wav", "mp3", "m4a", "flac", "ogg", "opus", "webm", "mp4", "aiff", "mkv")
CASES = 12


def spoilt(content: bytes, dice: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(dice.randint(1, 8)):
        place = dice.randrange(len(data))
        match dice.randrange(4):
            case 0:
                data[place] = dice.randrange(256)
            case 1:
                del data[place : place + dice.randint(1, 400)]
            case 2:
                data[place:place] = data[place : place + dice.randint(1, 400)]
            case _:
                data[place : place + 4] = dice.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"])
        data = data or bytearray(b"\x00")
    return bytes(data)


@pytest.mark.parametrize("container", CONTAINERS)
async def test_a_corrupted_file_is_measured_or_rejected(container: str, tmp_path: Path) -> None:
    content = media.make(container, media.tone(0.5), 16000, 1, tmp_path / "whole").read_bytes()
    worker, dice = Worker(1, seconds=20), random.Random(container)  # noqa: S311 - dice, not a secret
    path = tmp_path / "spoilt"
    try:
        for _ in range(CASES):
            path.write_bytes(spoilt(content, dice))
            try:
                described = probe.header(path)
                if described is None:
                    described = await worker.run(WorkerQueue(ANYONE), probe.measure, path)
                assert 0 <= described.duration < 1e6
            except CompatError as exc:
                assert 400 == exc.status  # noqa: PT017 - an error is optional
    finally:
        await worker.close()
