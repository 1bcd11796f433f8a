"""Uploads in memory, and those that are written to disk because they do not fit."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from compat.config.principal import Party
from compat.transcription.spool import SMALL, UploadPlace
from compat.upstream.shares import Shares
from tests.endpoints.forms import AUDIO, END, field, part, received

NAMED = 'Content-Disposition: form-data; name="file"; filename="a"'
LARGE = 2 * SMALL


def place(folder: Path, memory: Shares) -> UploadPlace:
    return UploadPlace(folder / "upload", Party(), memory=memory)


@pytest.mark.parametrize("step", [None, 1, 7])
async def test_an_upload_in_memory_is_whole_and_not_on_disk(tmp_path: Path, step: int | None) -> None:
    memory = Shares(len(AUDIO))
    at = place(tmp_path, memory)

    form = await received(part(NAMED, AUDIO) + field("model", "whisper-1") + END, at, step=step)

    assert (AUDIO, len(AUDIO), [("model", "whisper-1")]) == (bytes(at.audio or b""), memory.used, form.fields)
    assert hashlib.sha256(AUDIO).hexdigest() == form.content()
    assert not at.path.exists()
    at.clear()
    assert (None, 0) == (at.audio, memory.used)


SIZES = [
    # bytes of the file, of all memory, of a chunk
    (len(AUDIO), len(AUDIO) - 1, 7),
    (len(AUDIO), 1, 1),
    (len(AUDIO), 0, None),
    (SMALL + 1, LARGE, 65_521),
    (SMALL + 1, LARGE, None),
    (LARGE, SMALL // 3, 300_000),
]


@pytest.mark.parametrize(("size", "space", "step"), SIZES)
async def test_an_upload_that_does_not_fit_in_memory_is_written_to_disk(
    tmp_path: Path, size: int, space: int, step: int | None
) -> None:
    audio = (AUDIO * (size // len(AUDIO) + 1))[:size]
    memory = Shares(space)
    at = place(tmp_path, memory)

    form = await received(part(NAMED, audio) + END, at, step=step, limit=LARGE)

    assert (None, 0, size) == (at.audio, memory.used, form.size)
    assert audio == at.path.read_bytes()
    assert hashlib.sha256(audio).hexdigest() == form.content()
    assert 0o600 == at.path.stat().st_mode & 0o777


@pytest.mark.parametrize("size", [SMALL, SMALL + 1])
async def test_the_largest_upload_in_memory(tmp_path: Path, size: int) -> None:
    at = place(tmp_path, Shares(LARGE))

    await received(part(NAMED, bytes(size)) + END, at, step=65_536, limit=LARGE)

    assert (size == SMALL) == bool(at.audio) == (not at.path.exists())
