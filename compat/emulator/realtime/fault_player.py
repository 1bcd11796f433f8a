"""Applies the injected faults of a live session: changes its events, and returns faults of the socket when due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from compat.emulator.live_faults import Double, Fail, Late, LiveFault, Strike, Unit
from compat.emulator.live_records import LiveRecord
from compat.emulator.realtime.messages import Completed, Failed, Finished, ServerEvent


class FaultPlayer:
    def __init__(self, faults: Iterable[LiveFault]) -> None:
        self._doubles = [fault for fault in faults if isinstance(fault, Double)]
        self._lates = [fault for fault in faults if isinstance(fault, Late)]
        self._fails = {fault.item: fault for fault in faults if isinstance(fault, Fail)}
        self._strikes: list[Strike] = [fault for fault in faults if not isinstance(fault, Double | Late | Fail)]
        self._items = 0
        self._sent = 0
        self._held: list[tuple[int, ServerEvent]] = []

    def events(self, events: Iterable[ServerEvent]) -> Iterator[ServerEvent]:
        for event in events:
            for ready in self._ordered(event):
                for _ in range(self._copies(ready)):
                    self._sent += 1
                    yield ready

    def strike(self, record: LiveRecord) -> Strike | None:
        """The fault that is due now; each is returned once."""
        counts: dict[Unit, int] = {"frames": record.frames, "bytes": record.bytes, "events": self._sent}
        due = next((strike for strike in self._strikes if counts[strike.unit] >= strike.after), None)
        if due is not None:
            self._strikes.remove(due)
        return due

    def _copies(self, event: ServerEvent) -> int:
        kind = str(type(event).__struct_config__.tag)
        return 2 if any(kind.endswith(double.kind) for double in self._doubles) else 1

    def _ordered(self, event: ServerEvent) -> Iterator[ServerEvent]:
        if isinstance(event, Finished):
            yield from self._released(None)
        if not isinstance(event, Completed):
            yield event
            return
        self._items += 1
        end = self._failing(event)
        until = next((late.until for late in self._lates if late.item == self._items), None)
        if until is None:
            yield end
        else:
            self._held.append((until, end))
        yield from self._released(self._items)

    def _failing(self, event: Completed) -> Completed | Failed:
        fail = self._fails.get(self._items)
        if fail is None:
            return event
        return Failed(item_id=event.item_id, error={"code": fail.code, "message": fail.message, "param": None})

    def _released(self, item: int | None) -> Iterator[ServerEvent]:
        held, self._held = self._held, []
        for until, event in held:
            if item is None or until <= item:
                yield event
            else:
                self._held.append((until, event))


def encoded(event: ServerEvent) -> str:
    return msgspec.json.encode(event).decode()
