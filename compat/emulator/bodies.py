"""Limits the total size of the request bodies in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from compat.emulator import refusals


class Bodies:
    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    @contextlib.contextmanager
    def body(self) -> Iterator[HeldBody]:
        """Count the body of one request until its response has been sent."""
        body = HeldBody(self)
        try:
            yield body
        finally:
            self._held -= body.size

    def take(self, size: int) -> None:
        """Raise Refusal when the limit is reached."""
        if self._held + size > self._most:
            raise refusals.crowded()
        self._held += size


class HeldBody:
    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.size = 0

    def grow(self, by: int) -> None:
        """Raise Refusal when the limit is reached."""
        self._bodies.take(by)
        self.size += by
