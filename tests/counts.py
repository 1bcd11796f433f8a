"""The emulator's request counts, for tests that wait for a request."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

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
