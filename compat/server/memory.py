"""Memory limits for long live messages.

A message counts from its first byte until the application asks for the next message. The first `FREE` bytes do not
count, so that sessions with short messages are independent of other sessions.
"""

from __future__ import annotations

from typing import Final

from compat.config.principal import Party
from compat.upstream.shares import Holding, Shares

FREE: Final = 64 << 10  # bytes, and the unit of counting: a second of audio at 24 kHz in base64


class Memory:
    """The memory held by one connection's messages."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._part = Holding(shares, FREE)
        self._kept = 0

    def set_party(self, party: Party) -> None:
        self._part.party = party

    @property
    def incomplete(self) -> int:
        """The number of bytes counted for the incomplete message."""
        return self._part.taken

    def fits(self, size: int) -> bool:
        """Return whether there is room for an incomplete message of `size` bytes."""
        return self._part.fits(size)

    def end(self) -> None:
        """Move the complete message to those held by the application."""
        self._kept += self._part.taken
        self._part.taken = 0

    def drop(self) -> None:
        """Release the memory of the incomplete message."""
        self._part.fits(0)

    def free(self) -> None:
        """Release the memory of the messages that the application has processed."""
        self._shares.give(self._part.party, self._kept)
        self._kept = 0
