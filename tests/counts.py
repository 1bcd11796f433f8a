"""The emulator's request counts, for tests that wait for a request, and the times of its calls."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from compat.emulator.state import Emulator


class Counts(Counter[str]):
    """A counter that notifies waiting threads of each change."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        super().__init__()

    def __setitem__(self, name: str, count: int) -> None:
        with self._changed:
            super().__setitem__(name, count)
            self._changed.notify_all()

    def wait_for(self, holds: Callable[[], object]) -> None:
        """Wait until `holds` returns true. Fail after 30 s."""
        with self._changed:
            assert self._changed.wait_for(holds, timeout=30)


def counted(emulator: Emulator) -> Counts:
    """Replace the emulator's counts. Call this before the emulator runs."""
    counts = Counts()
    emulator.counts = counts
    return counts


class Clocked:
    """Wraps the service and records the times of calls to multimodal-generation."""

    def __init__(self, service: ASGIApp) -> None:
        self.times: list[float] = []
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path", "").endswith("/multimodal-generation/generation"):
            self.times.append(time.monotonic())
        await self._service(scope, receive, send)
