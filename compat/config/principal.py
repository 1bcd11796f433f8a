"""The principal: the client that a request, a session or a job works for."""

from __future__ import annotations

import msgspec

from compat.config.keys import KeyEntry, Scope
from compat.config.meter import AudioMeter
from compat.errors import Forbidden


class Party(msgspec.Struct, frozen=True):
    """A client for the purpose of fairness.

    `concurrency` bounds its calls under way and its live sessions, if the operator has set a bound. `alone` means that
    there are no other parties, so nothing is kept free for them. `known` is false for a name that a client may have
    invented.
    """

    name: str = "anyone"
    concurrency: int | None = None
    alone: bool = True
    known: bool = True


ANYONE = Party()


class Principal(msgspec.Struct, frozen=True):
    """An authenticated client, passed to all work that is done for it.

    `key` is the DashScope key: the server's, or the client's own if keys are passed on. `tenant` is a hash that
    identifies the client without its key; jobs are stored under it. `entry` is the client's entry in the key file or in
    COMPAT_API_KEYS; its name may be logged. `issuer` means that this client issued the client secret that opened the
    session. `payer` is the name under which usage is counted, if it is not the entry's. `meter` measures the audio that
    one piece of work uses, if the client's key has a bound.
    """

    key: str
    tenant: str = ""
    party: Party = ANYONE
    entry: KeyEntry | None = None
    issuer: bool = False
    payer: str = ""
    meter: AudioMeter | None = None

    def __repr__(self) -> str:
        """Omit the key, because a representation may be logged."""
        return f"Principal({self.name!r}, tenant={self.tenant!r})"

    @property
    def name(self) -> str:
        return self.entry.name if self.entry else "anyone"

    @property
    def account(self) -> str:
        """The name under which usage is counted."""
        return self.payer or self.name

    @property
    def live_model(self) -> str | None:
        """The live model behind OpenAI's names for this client, None for the server's."""
        return self.entry.live if self.entry else None

    def using(self, key: str) -> Principal:
        """Return this client with the key of another account."""
        return msgspec.structs.replace(self, key=key)

    @property
    def bounded(self) -> bool:
        """Whether the key has a bound of audio."""
        return self.entry is not None and (self.entry.daily or self.entry.longest) is not None

    def metered(self, meter: AudioMeter) -> Principal:
        """Return this client with a meter for its work."""
        return msgspec.structs.replace(self, meter=meter)

    def check(self, scope: Scope) -> None:
        """Raise Forbidden if the client's key lacks `scope`."""
        if self.entry and scope not in self.entry.scopes:
            raise Forbidden(f"This key lacks the scope {scope}: its scopes are {', '.join(sorted(self.entry.scopes))}.")
