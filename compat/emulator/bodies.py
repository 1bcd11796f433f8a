"""A bound on the bytes of all request bodies that are held at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from compat.emulator import refusals


class Bodies:
    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    @contextlib.contextmanager
    def part(self) -> Iterator[HeldBody]:
        """The body of one request, held until the answer has been sent."""
        part = HeldBody(self)
        try:
            yield part
        finally:
            self._held -= part.size

    def take(self, size: int) -> None:
        """Raises Refusal when there is no room."""
        if self._held + size > self._most:
            raise refusals.crowded()
        self._held += size


class HeldBody:
    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.size = 0

    def grow(self, by: int) -> None:
        """Raises Refusal when there is no room."""
        self._bodies.take(by)
        self.size += by
