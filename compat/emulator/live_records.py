"""Records of live sessions for tests: their updates, audio received, items and close code."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

REMEMBERED = 2000


class LiveRecord(msgspec.Struct, kw_only=True):
    """One session. `sound` is the appended audio, where `keep_sound` is set."""

    id: str
    model: str
    headers: dict[str, str] = {}
    updates: list[dict[str, Any]] = []
    frames: int = 0
    bytes: int = 0
    audio_ms: int = 0
    items: int = 0
    finished: bool = False
    closed: int | None = None
    sound: bytearray = msgspec.field(default_factory=bytearray)

    def summary(self) -> dict[str, Any]:
        """All fields except the audio."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if name != "sound"}


class LiveRecords:
    """The last sessions in the order of their opening. `keep_sound` applies to new sessions."""

    def __init__(self) -> None:
        self.sessions: deque[LiveRecord] = deque(maxlen=REMEMBERED)
        self.open = 0
        self.keep_sound = False

    def clear(self) -> None:
        self.sessions.clear()
