"""The actions that result from one call of the bridge."""

from __future__ import annotations

from collections.abc import Callable

from compat.bridge.actions import Action, ToUpstream
from compat.bridge.face import Face, RealtimeFace, Said, SourceDelta, VoiceDelta
from compat.errors import CompatError
from compat.openai_api.realtime import server_events as ours


class Outbox:
    """Collects the actions of one call. `ids("event")` returns a new identifier of that kind; `on_event` is called with
    every event of the Realtime API, which `face` says to the client. `told` counts the times that the client got
    something, or will; nothing is repeated."""

    def __init__(
        self,
        ids: Callable[[str], str],
        on_event: Callable[[ours.ServerEvent], object] = lambda _: None,
        face: Face | None = None,
    ) -> None:
        self.ids = ids
        self.face = face or RealtimeFace()
        self._on_event = on_event
        self._actions: list[Action] = []
        self.told = 0

    def event_id(self) -> str:
        return self.ids("event")

    def to_client(self, event: Said) -> None:
        self.tell(self.face.said(event))
        if not isinstance(event, SourceDelta | VoiceDelta):
            self._on_event(event)

    def error(self, error: CompatError, event_id: str | None = None) -> None:
        self.to_client(ours.Error(event_id=self.event_id(), error=ours.Fault.of(error, event_id)))

    def tell(self, actions: list[Action]) -> None:
        """Perform actions of `face`."""
        self.told += bool(actions)
        self._actions += actions

    def to_service(self, frame: str | bytes) -> None:
        self._actions.append(ToUpstream(frame))

    def act(self, *actions: Action) -> None:
        self._actions += actions

    @property
    def empty(self) -> bool:
        return not self._actions

    def take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions
