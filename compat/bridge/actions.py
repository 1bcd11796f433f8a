"""The actions that the bridge returns, and what collects them. The package's docstring says how to perform them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from compat.errors import CompatError
from compat.openai_api.realtime import server_events as ours


class ToClient(msgspec.Struct, frozen=True):
    """Send one text frame to the client."""

    text: str


class ToUpstream(msgspec.Struct, frozen=True):
    """Send one frame to the service: text for str, binary for bytes."""

    frame: str | bytes


class OpenUpstream(msgspec.Struct, frozen=True):
    """Connect to the service's live API with this model, now. There is no other connection at this point. `losses`:
    connections that were lost before it, in a row and without progress. `bound`: another account cannot serve it."""

    model: str
    losses: int = 0
    bound: bool = False


class CloseUpstream(msgspec.Struct, frozen=True):
    """Close the connection to the service, or give up the attempt: nothing that it sends matters any more."""


class Reading(msgspec.Struct, frozen=True):
    """Whether to read the client's frames from here on."""

    on: bool


class Wake(msgspec.Struct, frozen=True):
    """Call `tick` at this time, on the clock of all `now` arguments. A later Wake may name an earlier time."""

    at: float


class CheckVocabulary(msgspec.Struct, frozen=True):
    """Look up whether this stored vocabulary fits the model, in the background. If not, call `vocabulary_refused`."""

    vocabulary_id: str
    model: str


class Hangup(msgspec.Struct, frozen=True):
    """Close the client's connection, if it is still open, and end the session. For the client it is the last action."""

    code: int
    reason: str


Action: TypeAlias = ToClient | ToUpstream | OpenUpstream | CloseUpstream | Reading | Wake | CheckVocabulary | Hangup


class Outbox:
    """Collects the actions of one call. `ids("event")` returns a new identifier of that kind; `on_event` is called with
    every event for the client."""

    def __init__(
        self, ids: Callable[[str], str], on_event: Callable[[ours.ServerEvent], object] = lambda _: None
    ) -> None:
        self.ids = ids
        self._on_event = on_event
        self._actions: list[Action] = []

    def event_id(self) -> str:
        return self.ids("event")

    def to_client(self, event: ours.ServerEvent) -> None:
        self._actions.append(ToClient(ours.encode(event)))
        self._on_event(event)

    def error(self, error: CompatError, event_id: str | None = None) -> None:
        self.to_client(ours.Error(event_id=self.event_id(), error=ours.Fault.of(error, event_id)))

    def to_service(self, frame: str | bytes) -> None:
        self._actions.append(ToUpstream(frame))

    def act(self, action: Action) -> None:
        self._actions.append(action)

    @property
    def empty(self) -> bool:
        return not self._actions

    def take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions
