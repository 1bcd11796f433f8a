"""What goes wrong in one live session, on demand. Deterministic: each strikes at a count, never at a time.

Sever    the connection breaks without a word, or is closed with a code
Stall    nothing is heard or answered for some seconds, or ever again
Erring   an error event; `close`: and then the socket is closed with that code
Double   events of a kind are sent twice
Late     the end of one item is sent after the end of a later one (at the latest before session.finished)
Fail     an item ends in `failed`
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
"""msgspec checks these bounds where a fault is read from JSON."""
Unit: TypeAlias = Literal["frames", "bytes", "events"]
"""Appends taken in, bytes of audio taken in, events sent."""


class Sever(msgspec.Struct, frozen=True, tag="sever"):
    after: Count
    unit: Unit = "frames"
    code: int | None = None
    reason: str = ""


class Stall(msgspec.Struct, frozen=True, tag="stall"):
    after: Count
    unit: Unit = "frames"
    seconds: Seconds | None = None


class Erring(msgspec.Struct, frozen=True, tag="erring"):
    after: Count
    unit: Unit = "frames"
    kind: Literal["invalid_request_error", "server_error"] = "server_error"
    code: str = "internal_error"
    message: str = "a fault on demand"
    close: int | None = None


class Double(msgspec.Struct, frozen=True, tag="double"):
    """`kind`: how the event's type ends, e.g. `completed`; all events when it is empty."""

    kind: str = ""


class Late(msgspec.Struct, frozen=True, tag="late"):
    """Items are counted from 1."""

    item: int = 1
    until: int = 2


class Fail(msgspec.Struct, frozen=True, tag="fail"):
    item: int = 1
    code: str = "recognition_failed"
    message: str = "a fault on demand"


Strike: TypeAlias = Sever | Stall | Erring
LiveFault: TypeAlias = Strike | Double | Late | Fail
