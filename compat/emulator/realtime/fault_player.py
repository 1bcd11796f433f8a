"""Fault injection for live sessions: changes the events to send, and returns faults of the socket when due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from compat.emulator.live_faults import Double, Erring, Fail, Late, LiveFault, Sever, Stall, Strike, Unit
from compat.emulator.live_records import LiveRecord

E = TypeVar("E")


class Wire(Protocol[E]):
    """How fault injection and the connection classify the events of a protocol."""

    def kind(self, event: E) -> str: ...

    def ends_item(self, event: E) -> bool: ...

    def ends_all(self, event: E) -> bool:
        """Return whether no item can end after this event."""

    def failed(self, event: E, fail: Fail) -> E:
        """Return the event that replaces `event`, the end of an item."""

    def error(self, erring: Erring) -> E: ...

    def closes(self, event: E) -> int | None:
        """Return the code with which the server closes the socket after this event, None if it stays open."""


class FaultPlayer(Generic[E]):
    def __init__(self, faults: Iterable[LiveFault], wire: Wire[E]) -> None:
        self._wire = wire
        self._doubles = [fault for fault in faults if isinstance(fault, Double)]
        self._lates = [fault for fault in faults if isinstance(fault, Late)]
        self._fails = {fault.item: fault for fault in faults if isinstance(fault, Fail)}
        self._strikes: list[Strike] = [fault for fault in faults if isinstance(fault, Sever | Stall | Erring)]
        self._items = 0
        self._sent = 0
        self._held: list[tuple[int, E]] = []

    def events(self, events: Iterable[E]) -> Iterator[E]:
        for event in events:
            for ready in self._ordered(event):
                for _ in range(self._copies(ready)):
                    self._sent += 1
                    yield ready

    def strike(self, record: LiveRecord) -> Strike | None:
        """Return the fault that is due now; each is returned once."""
        counts: dict[Unit, int] = {"frames": record.frames, "bytes": record.bytes, "events": self._sent}
        due = next((strike for strike in self._strikes if counts[strike.unit] >= strike.after), None)
        if due is not None:
            self._strikes.remove(due)
        return due

    def _copies(self, event: E) -> int:
        kind = self._wire.kind(event)
        return 2 if any(kind.endswith(double.kind) for double in self._doubles) else 1

    def _ordered(self, event: E) -> Iterator[E]:
        if self._wire.ends_all(event):
            yield from self._released(None)
        if not self._wire.ends_item(event):
            yield event
            return
        self._items += 1
        fail = self._fails.get(self._items)
        end = event if fail is None else self._wire.failed(event, fail)
        until = next((late.until for late in self._lates if late.item == self._items), None)
        if until is None:
            yield end
        else:
            self._held.append((until, end))
        yield from self._released(self._items)

    def _released(self, item: int | None) -> Iterator[E]:
        held, self._held = self._held, []
        for until, event in held:
            if item is None or until <= item:
                yield event
            else:
                self._held.append((until, event))
