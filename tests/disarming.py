"""The faults that a test has armed, which end with the test."""

from __future__ import annotations

from collections.abc import Callable

armed: list[Callable[[], None]] = []


def disarm() -> None:
    while armed:
        armed.pop()()
