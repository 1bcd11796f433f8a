"""What one call of the machine gathers: actions for both sides, in order."""

from __future__ import annotations

from collections.abc import Callable

from compat.bridge.actions import Action, ToClient, ToUpstream
from compat.errors import CompatError
from compat.openai_api.realtime import server_events as ours


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
