"""The side of a session that its client sees: the events of one of OpenAI's two live APIs.

The bridge works with items and their text. A `Face` decodes the client's events, and turns the events of the bridge
into those that the client receives.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

import msgspec

from compat.bridge.actions import Action, ToClient
from compat.dashscope_api.live.turns import Translation
from compat.errors import CompatError
from compat.openai_api.realtime import client_events as theirs
from compat.openai_api.realtime import server_events as ours
from compat.openai_api.translations import client_events as translating
from compat.openai_api.translations.session import TranslationPatch


class SourceDelta(msgspec.Struct, frozen=True):
    """New text of a translated item in its own language. `done`: there is no more."""

    item_id: str
    new: str
    done: bool = False


class VoiceDelta(msgspec.Struct, frozen=True):
    """New sound of an item's spoken translation: mono 16-bit PCM at 24 kHz."""

    item_id: str
    new: bytes


ClientEvent: TypeAlias = theirs.ClientEvent | translating.ClientEvent
Said: TypeAlias = ours.ServerEvent | SourceDelta | VoiceDelta


class Face(Protocol):
    @property
    def translation(self) -> Translation | None:
        """The settings of a session that translates."""

    @property
    def spoken(self) -> str | None:
        """The code of the language in which the speech is recognised, if the face knows it."""

    @property
    def fill(self) -> float:
        """Seconds of silence to send to the service when the client stops sending sound."""

    @property
    def busy(self) -> bool:
        """Whether the client has not received everything yet."""

    def decode(self, raw: str | bytes) -> ClientEvent:
        """Decode one text frame of the client. Raises UnreadableEvent."""

    def update(self, patch: TranslationPatch, at_ms: int) -> None:
        """Change the settings of a session that translates. `at_ms`: how much audio came before. Raises CompatError;
        nothing is changed then."""

    def revert(self) -> bool:
        """Undo the last `update`, which the service refuses. False if there was none."""

    def said(self, event: Said) -> list[Action]:
        """Return the actions for an event of the bridge."""

    def translated(self, ticket: str, text: str | CompatError) -> list[Action]:
        """Return the actions for the result of a `Translate`."""

    def closing(self) -> list[Action]:
        """Return the actions to perform before the client is disconnected."""


class RealtimeFace:
    """`/v1/realtime`: the client receives the events of the bridge as they are."""

    translation = spoken = None
    fill = 0.0
    busy = False

    decode = staticmethod(theirs.decode)

    def update(self, patch: TranslationPatch, at_ms: int) -> None:
        """Never called: these sessions have no such event."""

    def revert(self) -> bool:
        return False

    def said(self, event: Said) -> list[Action]:
        return [] if isinstance(event, SourceDelta | VoiceDelta) else [ToClient(ours.encode(event))]

    def translated(self, ticket: str, text: str | CompatError) -> list[Action]:  # noqa: ARG002 - it asks for none
        return []

    def closing(self) -> list[Action]:
        return []
