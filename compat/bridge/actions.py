"""What the machine wants done, in the order of the list. See the package's docstring for how."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec

from compat.errors import CompatError
from compat.openai_api.realtime import server_events as ours


class ToClient(msgspec.Struct, frozen=True):
    """One text frame for the caller."""

    text: str


class ToUpstream(msgspec.Struct, frozen=True):
    """One frame for the service: text for str, binary for bytes."""

    frame: str | bytes


class OpenUpstream(msgspec.Struct, frozen=True):
    """Connect to the service's live surface with this model, now. There is no other connection at this point. So many
    before it were lost in a row, without progress."""

    model: str
    losses: int = 0


class CloseUpstream(msgspec.Struct, frozen=True):
    """Forget the connection to the service, or the attempt to connect: nothing it says or does matters any more."""


class Reading(msgspec.Struct, frozen=True):
    """Whether the caller's frames are read from here on."""

    on: bool


class Wake(msgspec.Struct, frozen=True):
    """Call `tick` at this time, on the clock of all `now` arguments. A later Wake may name an earlier time."""

    at: float


class Hangup(msgspec.Struct, frozen=True):
    """Close the caller's socket, if it is still open, and end the session. Always the last action of all."""

    code: int
    reason: str


Action: TypeAlias = ToClient | ToUpstream | OpenUpstream | CloseUpstream | Reading | Wake | Hangup


class Outbox:
    """`ids("event")` makes a new identifier of the kind that it is given; `told` hears every event for the caller."""

    def __init__(self, ids: Callable[[str], str], told: Callable[[ours.ServerEvent], object] = lambda _: None) -> None:
        self.ids = ids
        self._told = told
        self._actions: list[Action] = []

    def event_id(self) -> str:
        return self.ids("event")

    def say(self, event: ours.ServerEvent) -> None:
        self._actions.append(ToClient(ours.encode(event)))
        self._told(event)

    def fault(self, error: CompatError, event_id: str | None = None) -> None:
        self.say(ours.Error(event_id=self.event_id(), error=ours.Fault.of(error, event_id)))

    def send(self, frame: str | bytes) -> None:
        self._actions.append(ToUpstream(frame))

    def act(self, action: Action) -> None:
        self._actions.append(action)

    @property
    def empty(self) -> bool:
        return not self._actions

    def take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions


class Alarm:
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._at: float | None = None

    def rang(self) -> None:
        self._at = None

    def set(self, deadlines: Iterable[float | None]) -> None:
        """None is no deadline. A deadline later than the one returned last is only returned after it."""
        at = min((at for at in (self._at, *deadlines) if at is not None), default=None)
        if at is not None and at != self._at:
            self._at = at
            self._outbox.act(Wake(at))
