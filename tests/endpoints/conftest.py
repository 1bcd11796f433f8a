from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audio.media import make


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a WAV file with three seconds of faint noise; the engines are scripted, but the file has to decode."""
    return make("wav", bytes(range(256)) * 375, 16_000, 1, tmp_path_factory.mktemp("speech") / "a.wav").read_bytes()


@pytest.fixture
def charged(folder: Path) -> Callable[[str], int]:
    """Return a function for the milliseconds that a key has been charged, by the job store in `folder`."""

    def read(name: str) -> int:
        with contextlib.closing(sqlite3.connect(folder / "jobs.sqlite")) as db:
            return sum(ms for (ms,) in db.execute("SELECT ms FROM charged WHERE client = ?", (name,)))

    return read
