"""The memory that long live messages take. A message counts while it comes, and until the application asks for the next
one. Its first `FREE` bytes do not count, so that sessions whose messages are short do not depend on others.
"""

from __future__ import annotations

from typing import Final

from compat.upstream.shares import Holding, Party, Shares

FREE: Final = 64 << 10  # bytes, and what is counted at a time: a second of sound at 24 kHz in base64


class Memory:
    """One connection's part of it."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._part = Holding(shares, FREE)
        self._kept = 0

    def belongs(self, party: Party) -> None:
        self._part.party = party

    @property
    def coming(self) -> int:
        """Bytes counted of the message that has not ended."""
        return self._part.taken

    def holds(self, size: int) -> bool:
        """Whether there is room for a message of which this much has come."""
        return self._part.fits(size)

    def end(self) -> None:
        """The message is complete, and goes to the application."""
        self._kept += self._part.taken
        self._part.taken = 0

    def drop(self) -> None:
        """The message will never be complete."""
        self._part.fits(0)

    def free(self) -> None:
        """The application has done with the messages that it was given."""
        self._shares.give(self._part.party, self._kept)
        self._kept = 0
