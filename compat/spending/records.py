"""What the ledger keeps: the audio and the money that clients have spent, by UTC day."""

from __future__ import annotations

from typing import Final

import msgspec

DAY: Final = 86400  # seconds
KEPT: Final = 400  # days for which usage is kept


class Spent(msgspec.Struct, frozen=True):
    """What a client has spent on a model in one UTC day, counted in days since the epoch.

    `requests` are the calls that DashScope answered, and `seconds` the audio that it bills for them. `dollars` is the
    price of that audio, except `unpriced` seconds, whose price is not known.
    """

    day: int
    client: str
    model: str
    requests: int = 0
    seconds: float = 0.0
    dollars: float = 0.0
    unpriced: float = 0.0

    def plus(self, other: Spent) -> Spent:
        return msgspec.structs.replace(
            self,
            requests=self.requests + other.requests,
            seconds=self.seconds + other.seconds,
            dollars=self.dollars + other.dollars,
            unpriced=self.unpriced + other.unpriced,
        )


class Charge(msgspec.Struct, frozen=True):
    """Audio that is reserved of a client's bound of one day, in milliseconds. `exact` means that the length of the
    audio is known, so no more than that is ever charged."""

    client: str
    day: int
    ms: int
    exact: bool = True
