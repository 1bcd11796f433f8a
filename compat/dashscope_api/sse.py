"""Server-sent events as DashScope writes them, in whatever pieces they arrive.

A field may lack the space after its colon, lines may end in LF, CRLF or CR, comments and unknown fields are heartbeats.
An answer that is no event stream at all but a JSON object (an error, mostly) is one event of that object.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")
"""A CR at the very end may be the first half of a CRLF: it waits."""


class ServerSentEvent(msgspec.Struct, frozen=True):
    """`name` is that of the `event:` line; `data` the `data:` lines, joined by newlines."""

    name: str
    data: bytes


@dataclass
class Events:
    """Bytes in, events out."""

    _rest: bytearray = field(default_factory=bytearray)
    _name: str = ""
    _data: list[bytes] = field(default_factory=list)
    _bare: bool | None = None

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        self._rest += chunk
        if self._bare is None and (start := self._rest.lstrip()[:1]):
            self._bare = start == b"{"
        return [] if self._bare else self._lines()

    def flush(self) -> list[ServerSentEvent]:
        """What the end of the stream completes: a last event without its blank line, or the bare object."""
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
            case b"event":
                self._name = value.decode("ascii", "replace").strip()
            case _:
                pass
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        event = ServerSentEvent(self._name, b"\n".join(self._data)) if any(self._data) else None
        self._name, self._data = "", []
        return event
