"""What the machine wants done, in the order of the list. See the package's docstring for how."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class ToClient(msgspec.Struct, frozen=True):
    """One text frame for the caller."""

    text: str


class ToUpstream(msgspec.Struct, frozen=True):
    """One frame for the service: text for str, binary for bytes."""

    frame: str | bytes


class Open(msgspec.Struct, frozen=True):
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


Action: TypeAlias = ToClient | ToUpstream | Open | CloseUpstream | Reading | Wake | Hangup
