"""Records of live sessions for tests: their updates, audio received, items and close code."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

REMEMBERED = 2000


class LiveRecord(msgspec.Struct, kw_only=True):
    """One session; for run-task, one socket with its last model. `sound` is its audio if `keep_sound` is set.

    `configuration` is that of the last `session.updated`. `transcribed`: the source's transcript is sent, which a
    session of translation may be without.
    """

    id: str
    model: str
    headers: dict[str, str] = {}
    updates: list[dict[str, Any]] = []
    configuration: dict[str, Any] = {}
    transcribed: bool = True
    frames: int = 0
    bytes: int = 0
    audio_ms: int = 0
    items: int = 0
    tasks: int = 0
    finished: bool = False
    closed: int | None = None
    sound: bytearray = msgspec.field(default_factory=bytearray)

    def summary(self) -> dict[str, Any]:
        """Return all fields except the audio."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if name != "sound"}


class LiveRecords:
    """The last sessions in the order of their opening. `keep_sound` applies to new sessions."""

    def __init__(self) -> None:
        self.sessions: deque[LiveRecord] = deque(maxlen=REMEMBERED)
        self.open = 0
        self.keep_sound = False

    @contextlib.contextmanager
    def opened(self, record: LiveRecord) -> Iterator[None]:
        self.sessions.append(record)
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    def clear(self) -> None:
        self.sessions.clear()
