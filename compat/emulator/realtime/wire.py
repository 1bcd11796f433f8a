"""How fault injection and the connection classify the events of the realtime protocol."""

from __future__ import annotations

import uuid

from compat.emulator.live_faults import Erring, Fail
from compat.emulator.realtime.messages import Completed, Detail, Error, Failed, Finished, ServerEvent


class RealtimeWire:
    def kind(self, event: ServerEvent) -> str:
        return str(type(event).__struct_config__.tag)

    def ends_item(self, event: ServerEvent) -> bool:
        return isinstance(event, Completed)

    def ends_all(self, event: ServerEvent) -> bool:
        return isinstance(event, Finished)

    def failed(self, event: ServerEvent, fail: Fail) -> ServerEvent:
        if not isinstance(event, Completed):
            return event
        return Failed(item_id=event.item_id, error={"code": fail.code, "message": fail.message, "param": None})

    def error(self, erring: Erring) -> ServerEvent:
        detail = Detail(erring.kind, erring.code, erring.message)
        return Error(event_id=f"event_{uuid.uuid4().hex}", error=detail)

    def closes(self, event: ServerEvent) -> int | None:
        """Return None: the socket stays open after errors."""
        del event
        return None
