"""The actions that the bridge returns. The package's docstring says how to perform them."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class ToClient(msgspec.Struct, frozen=True):
    """Send one text frame to the client."""

    text: str


class Play(msgspec.Struct, frozen=True):
    """Let the client of a call hear this after what it has to hear: mono 16-bit PCM at 24 kHz."""

    pcm: bytes


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


class Translate(msgspec.Struct, frozen=True):
    """Translate a sentence with this model in the background, and call `translated` with this `ticket`. `target`: a
    language's code. `terms` maps phrases to their translations. `source`: the code of the text's language, if it is
    known."""

    ticket: str
    text: str
    target: str
    model: str
    terms: dict[str, str] = {}
    source: str | None = None


class Hangup(msgspec.Struct, frozen=True):
    """Close the client's connection, if it is still open, and end the session. For the client it is the last action."""

    code: int
    reason: str


Action: TypeAlias = (
    ToClient | Play | ToUpstream | OpenUpstream | CloseUpstream | Reading | Wake | CheckVocabulary | Translate | Hangup
)
