"""The memory that long live messages take: all connections share it, and each caller has a share of it.

A message counts while it comes, and until the application asks for the next one. Its first `FREE` bytes do not count,
so that sessions whose messages are short do not depend on others.
"""

from __future__ import annotations

from typing import Final

from compat.upstream.shares import Party, Shares

FREE: Final = 64 << 10  # bytes, and what is counted at a time: a second of sound at 24 kHz in base64
TOTAL: Final = 512 << 20


class Memory:
    """One connection's part of it. `coming`: bytes counted of the message that has not ended."""

    def __init__(self, shares: Shares) -> None:
        self.party = Party()
        self.coming = 0
        self._shares = shares
        self._kept = 0

    def holds(self, size: int) -> bool:
        """Whether there is room for a message of which this much has come."""
        while size > FREE + self.coming:
            if not self._shares.take(self.party, FREE):
                return False
            self.coming += FREE
        return True

    def end(self) -> None:
        """The message is complete, and goes to the application."""
        self.coming, self._kept = 0, self._kept + self.coming

    def drop(self) -> None:
        """The message will never be complete."""
        self._shares.give(self.party, self.coming)
        self.coming = 0

    def free(self) -> None:
        """The application has done with the messages that it was given."""
        self._shares.give(self.party, self._kept)
        self._kept = 0
