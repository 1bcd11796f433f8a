"""Parser for DashScope's server-sent events.

The space after a field's colon is optional; lines end in LF, CRLF or CR; comments and unknown fields are skipped. A
response that is a JSON object instead of an event stream, usually an error, becomes one event with that object.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

from compat.errors import ServiceFailed

LARGEST = 8 << 20  # bytes of an event; a whole response that comes as one event may be as large
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")
"""A CR at the end of the buffer does not match, as it may be the first half of a CRLF."""


class ServerSentEvent(msgspec.Struct, frozen=True):
    """An event. `name` is the value of the `event:` line; `data` holds the `data:` lines, joined by newlines."""

    name: str
    data: bytes


@dataclass
class Events:
    """Incremental parser: bytes in, events out. Chunks may be split anywhere."""

    _rest: bytearray = field(default_factory=bytearray)
    _name: str = ""
    _data: list[bytes] = field(default_factory=list)
    _size: int = 0  # bytes of `_data`
    _bare: bool | None = None

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that `chunk` completes. Raises ServiceFailed for an event larger than LARGEST."""
        unread = not self._rest.endswith(b"\r") and b"\n" not in chunk and b"\r" not in chunk
        self._rest += chunk
        if self._bare is None and (start := self._rest.lstrip()[:1]):
            self._bare = start == b"{"
        events = [] if self._bare or unread else self._lines()  # a long line is not searched again for each chunk
        if len(self._rest) + self._size > LARGEST:
            raise ServiceFailed(f"DashScope's response has an event of more than {LARGEST >> 20} MiB.")
        return events

    def flush(self) -> list[ServerSentEvent]:
        """Return what the end of the stream completes: a last event without a blank line, or the JSON object."""
        if self._bare:
            return [ServerSentEvent("", bytes(self._rest).strip())]
        return [event for event in [*self.feed(b"\n"), self._dispatch()] if event]

    def _lines(self) -> list[ServerSentEvent]:
        *lines, rest = _LINE_END.split(bytes(self._rest))
        self._rest = bytearray(rest)
        return [event for line in lines if (event := self._line(line))]

    def _line(self, line: bytes) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        match name:
            case b"data":
                self._data.append(value.removeprefix(b" "))
                self._size += len(line)
            case b"event":
                self._name = value.decode("ascii", "replace").strip()
            case _:
                pass
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        event = ServerSentEvent(self._name, b"\n".join(self._data)) if any(self._data) else None
        self._name, self._data, self._size = "", [], 0
        return event
