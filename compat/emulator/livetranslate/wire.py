"""How fault injection and the connection classify the events of LiveTranslate: an item ends with its response."""

from __future__ import annotations

import msgspec

from compat.emulator.live_faults import Fail
from compat.emulator.livetranslate.messages import ResponseDone
from compat.emulator.realtime.messages import ServerEvent
from compat.emulator.realtime.wire import RealtimeWire


class TranslationWire(RealtimeWire):
    def ends_item(self, event: ServerEvent) -> bool:
        return isinstance(event, ResponseDone)

    def failed(self, event: ServerEvent, fail: Fail) -> ServerEvent:
        if not isinstance(event, ResponseDone):
            return event
        error = {"type": "server_error", "code": fail.code, "message": fail.message}
        details = {"status": "failed", "output": [], "status_details": {"type": "failed", "error": error}}
        return msgspec.structs.replace(event, response=event.response | details)
