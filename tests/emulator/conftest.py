"""An emulator on a real port."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.emulator.running import Start, started


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts emulators; all of them end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *turns, **settings: stack.enter_context(started(*turns, **settings))


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the official package use no proxy for loopback, and ignore DashScope's variables in the environment."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("DASHSCOPE_WORKSPACE", "DASHSCOPE_REGION", "DASHSCOPE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
