"""What a test may know of live sessions afterwards: how many there were, what each was told and how much it heard."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

REMEMBERED = 2000


class LiveRecord(msgspec.Struct, kw_only=True):
    """One session. `sound` is the audio exactly as it was appended, where the sound is kept."""

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

    def told(self) -> dict[str, Any]:
        """All but the sound."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if name != "sound"}


class LiveRecords:
    """The last sessions in the order in which they were opened. `keep_sound`: from the next one on."""

    def __init__(self) -> None:
        self.sessions: deque[LiveRecord] = deque(maxlen=REMEMBERED)
        self.open = 0
        self.keep_sound = False

    def clear(self) -> None:
        self.sessions.clear()
