"""The emulator's counts, for tests that wait until it was asked for something."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from compat.emulator.state import Emulator


class Counts(Counter[str]):
    def __init__(self) -> None:
        self._changed = threading.Condition()
        super().__init__()

    def __setitem__(self, name: str, count: int) -> None:
        with self._changed:
            super().__setitem__(name, count)
            self._changed.notify_all()

    def wait_for(self, holds: Callable[[], object]) -> None:
        """Looks at each change; what never holds fails the test."""
        with self._changed:
            assert self._changed.wait_for(holds, timeout=30)


def counted(emulator: Emulator) -> Counts:
    """Before it runs."""
    counts = Counts()
    emulator.counts = counts
    return counts
