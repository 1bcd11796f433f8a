"""Injected faults of one live session. Deterministic: each occurs at a count, never at a time.

Sever    drops the connection, or closes it with a code
Stall    stops reading and responding for some seconds, or for good
Erring   sends an error event; `close`: then closes the socket with that code
Double   sends events of one kind twice
Late     sends the end of one item after that of a later one (at the latest before session.finished or task-finished)
Fail     ends an item with `failed`
Reject   answers a run-task action with task-failed
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
"""msgspec checks these bounds where a fault is read from JSON."""
Unit: TypeAlias = Literal["frames", "bytes", "events"]
"""Appends received, bytes of audio received, events sent."""


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
    message: str = "an injected fault"
    close: int | None = None


class Double(msgspec.Struct, frozen=True, tag="double"):
    """`kind`: the end of the event type, e.g. `completed`; empty for all events."""

    kind: str = ""


class Late(msgspec.Struct, frozen=True, tag="late"):
    """Items are counted from 1."""

    item: int = 1
    until: int = 2


class Fail(msgspec.Struct, frozen=True, tag="fail"):
    item: int = 1
    code: str = "recognition_failed"
    message: str = "an injected fault"


class Reject(msgspec.Struct, frozen=True, tag="reject"):
    """`task` is the number of the task on its socket, from 1."""

    task: int = 1
    code: str = "Throttling.RateQuota"
    message: str = "Requests rate limit exceeded, please try again later."


Strike: TypeAlias = Sever | Stall | Erring
LiveFault: TypeAlias = Strike | Double | Late | Fail | Reject
