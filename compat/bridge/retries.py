"""When to connect to the service again after a connection is lost."""

from __future__ import annotations

import msgspec

from compat.bridge.limits import SessionLimits
from compat.errors import CompatError, Forbidden, NotAuthenticated, QuotaExceeded

_OF_ACCOUNT = (Forbidden, NotAuthenticated, QuotaExceeded)
_ELSEWHERE = 2
"""Lost connections after which `compat.upstream.fallback` tries the second account first."""


class Retries(msgspec.Struct, frozen=True):
    """`attempts`: connections lost in a row without progress. `lost`: connections lost in all. `not_before`: when the
    next attempt may begin."""

    attempts: int = 0
    lost: int = 0
    not_before: float = 0.0

    def after(
        self, error: CompatError, now: float, limits: SessionLimits, spread: float, *, fallback: bool
    ) -> Retries | None:
        """Return the state after a connection was lost. None if another attempt has no chance: the error is permanent,
        and with `fallback`, a second account, it is not one of the first account only."""
        elsewhere = fallback and not self.attempts and isinstance(error, _OF_ACCOUNT)
        if not (error.retryable or elsewhere) or self.attempts >= limits.attempts:
            return None
        delay = min(limits.first_delay * 2**self.attempts, limits.longest_delay)
        wish = min(error.retry_after or 0.0, limits.longest_wish)
        not_before = now + max(wish, delay * (0.75 + spread / 2) if self.attempts else 0.0)
        return Retries(self.attempts + (_ELSEWHERE if elsewhere else 1), self.lost + 1, not_before)

    def progressed(self) -> Retries:
        """The service works: count attempts from 0 again."""
        return msgspec.structs.replace(self, attempts=0) if self.attempts else self
