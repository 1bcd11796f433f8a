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
