"""Messages that all protocols on `/api-ws/v1/realtime` have: appends, events of turns, and errors.

Sources: see compat.dashscope_api.live.realtime.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, get_args

import msgspec
import pybase64

from compat.dashscope_api import faults
from compat.dashscope_api.live import turns
from compat.errors import BadRequest, CompatError, ServiceFailed


class WireFault(msgspec.Struct, frozen=True, kw_only=True):
    type: str | None = None
    code: str | int | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None = None


class WireEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    pass


class WireStarted(WireEvent, frozen=True, tag="input_audio_buffer.speech_started"):
    item_id: str
    audio_start_ms: float | None = None


class WireStopped(WireEvent, frozen=True, tag="input_audio_buffer.speech_stopped"):
    item_id: str
    audio_end_ms: float | None = None


class WireCommitted(WireEvent, frozen=True, tag="input_audio_buffer.committed"):
    item_id: str


class WireFinished(WireEvent, frozen=True, tag="session.finished"):
    pass


class WireError(WireEvent, frozen=True, tag="error"):
    error: WireFault = WireFault()


class _Head(msgspec.Struct, frozen=True):
    type: str


_head = msgspec.json.Decoder(_Head)


def append(audio: bytes, event_id: str) -> str:
    """Return the frame that appends audio, in an eighth of the time of msgspec's encoder.

    Event ids are our own and need no escapes.
    """
    encoded = pybase64.b64encode_as_string(audio)
    return f'{{"type":"input_audio_buffer.append","event_id":"{event_id}","audio":"{encoded}"}}'


def tags(events: object) -> frozenset[str]:
    """Return the types of the events in a union."""
    return frozenset(str(event.__struct_config__.tag) for event in get_args(events))


def report(fault: WireFault) -> turns.Report:
    """Return the report of an `error` event. One of type `invalid_request_error` leaves the session open."""
    error = faults.task_fault(fault.code, fault.message, None)
    if fault.type == "invalid_request_error":
        return turns.Refused(error=_refusal(error, fault), about=fault.event_id)
    return turns.Broken(error)


def _refusal(error: CompatError, fault: WireFault) -> CompatError:
    kind = type(error) if error.status < 500 else BadRequest
    return kind(error.message, param=fault.param, code=str(fault.code) if fault.code else None)


def unknown(raw: str | bytes, tags: Collection[str]) -> turns.Report:
    """Return the report of a frame that cannot be decoded: `OtherEvent` for a type that is not in `tags`."""
    try:
        kind: Any = _head.decode(raw).type
    except faults.UNREADABLE:
        kind = None
    if kind is not None and kind not in tags:
        return turns.OtherEvent()
    return turns.Broken(ServiceFailed("DashScope's realtime session sent an invalid event."))


def rounded(ms: float | None) -> int | None:
    """Round milliseconds. The documentation shows integers but does not rule out fractions."""
    return None if ms is None else round(ms)
