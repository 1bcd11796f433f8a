"""Who is calling, what they may do, and with which DashScope key their work is done."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import msgspec
from starlette.requests import HTTPConnection

from compat.config import keys, networks
from compat.config.keys import KeyEntry, Keyring, KeysError, Scope
from compat.config.settings import Settings
from compat.config.variables import SettingsError
from compat.endpoints.admission import Admission
from compat.errors import Forbidden, NotAuthenticated
from compat.openai_api import credentials, secrets
from compat.upstream.budget import Budget
from compat.upstream.shares import ON_BEHALF, Party

log = logging.getLogger("compat.keys")
PROVEN = 10_000  # callers' own keys that are remembered


class Caller(msgspec.Struct, frozen=True):
    """`key` is DashScope's: the server's own, or the caller's when keys are passed on. `tenant` tells those who call
    apart without telling their keys; `entry` is what the operator wrote of this one, under a name that may be told."""

    key: str
    tenant: str
    entry: KeyEntry | None = None
    issuer: bool = False
    """Whether it came with a client secret that this caller's key has issued."""

    @property
    def name(self) -> str:
        return self.entry.name if self.entry else "anyone"

    def check(self, scope: Scope) -> None:
        """Raises Forbidden."""
        if self.entry and scope not in self.entry.scopes:
            raise Forbidden(f"This key is not for {scope}: its scopes are {', '.join(sorted(self.entry.scopes))}.")


class Gate:
    """Lets callers in. A file of keys is read again as soon as it has changed; one that cannot be read or used leaves
    the keys as they were."""

    def __init__(self, settings: Settings, budget: Budget | None = None, door: Admission | None = None) -> None:
        """Raises SettingsError, also when the file cannot be used from the start."""
        if settings.pass_key and settings.fallback_api_key:
            raise SettingsError(
                "COMPAT_PASS_KEY and DASHSCOPE_FALLBACK_API_KEY exclude each other: callers would use it."
            )
        self._budget = budget
        self._door = door
        self._pass = settings.pass_key
        self._proven: dict[str, None] = {}
        self._service_key = settings.dashscope_api_key or ""
        self._plain = keys.plain(settings.api_keys)
        self._path = settings.api_keys_file
        self._seen: tuple[int, int, int] | None = None
        self._keyring = Keyring(self._plain)
        if self._path is not None:
            try:
                self._read(self._path)
            except (OSError, ValueError) as exc:
                raise SettingsError(f"COMPAT_API_KEYS_FILE cannot be used: {_told(exc)}") from exc

    @property
    def keyed(self) -> bool:
        """Whether callers need a key that the operator gave them."""
        return bool(self._plain) or self._path is not None

    def caller(self, request: HTTPConnection, scope: Scope = "rest") -> Caller:
        """Raises NotAuthenticated or Forbidden. With neither keys nor pass-through everybody may call (`serve` then
        binds loopback)."""
        authorization = request.headers.getlist("authorization")
        token = credentials.shown(authorization, request.headers.get("api-key", ""))
        if self.is_secret(token):
            raise NotAuthenticated("A client secret opens realtime sessions and nothing else.")
        try:
            found = self.known(token, scope)
        except NotAuthenticated as exc:
            raise NotAuthenticated(credentials.trouble(authorization) or exc.message) from exc
        request.state.entry.caller = found.name
        return found

    def enter(self, connection: HTTPConnection, who: Caller) -> None:
        """Count a connection as its caller's until it has been served, and set the caller on whose behalf the work is
        done. Raises ServiceUnavailable."""
        party = self._party(connection, who)
        if self._door:
            self._door.enter(connection, party)
            if not party.known:
                connection.state.stay.callback(self._left, connection, who)
        ON_BEHALF.set(party)

    def _left(self, connection: HTTPConnection, who: Caller) -> None:
        if connection.scope.get("method") == "POST" and connection.state.entry.status == 200:
            self.prove(who)

    def prove(self, who: Caller) -> None:
        """Remember that DashScope accepted this caller's key."""
        self._proven.pop(who.tenant, None)
        self._proven[who.tenant] = None
        if len(self._proven) > PROVEN:
            del self._proven[next(iter(self._proven))]

    async def admit(self, connection: HTTPConnection, who: Caller) -> None:
        """The same for work, which counts against the caller's rate. Raises BudgetSpent too."""
        self.enter(connection, who)
        if self._budget and who.entry:
            await self._budget.charge(who.name, who.entry.rate)

    def _party(self, connection: HTTPConnection, who: Caller) -> Party:
        """Callers are distinguished by key, and without keys by address, since any key is accepted then. Loopback
        is one party without a share limit, because a proxy may forward everybody from there."""
        if who.entry:
            return Party(who.entry.name, who.entry.concurrency, alone=len(self._keyring.callers) < 2)
        if self._pass:
            return Party(who.tenant, alone=False, known=who.tenant in self._proven)
        address = _network(connection)
        return Party(address, alone=False) if address else Party()

    def is_secret(self, token: str) -> bool:
        """Whether it is a client secret rather than a key."""
        return token.startswith(secrets.PREFIX) and self._current().find(token) is None

    def known(self, token: str, scope: Scope) -> Caller:
        """The same for a key that came another way, as in a WebSocket's subprotocol."""
        if not self.keyed:
            if self._pass and not (token and credentials.usable(token)):
                raise NotAuthenticated(_reason(token))
            if self._pass and scope == "admin":
                raise Forbidden("Nobody is known here as an operator: COMPAT_API_KEYS_FILE names them.")
            return Caller(key=token if self._pass else self._service_key, tenant=_tenant(token))
        entry = self._current().find(token)
        if entry is None:
            raise NotAuthenticated(_reason(token))
        # A caller of the file keeps its jobs when its key is changed.
        tenant = _tenant(f"{entry.name} by name") if entry not in self._plain else _tenant(token)
        found = Caller(key=self._service_key, tenant=tenant, entry=entry)
        found.check(scope)
        return found

    def issuer(self, name: str) -> Caller:
        """The caller that a live session opened with a client secret counts for: the one of this name, as long as it
        has a key that may open one. Raises NotAuthenticated."""
        if not self.keyed:
            return Caller(key=self._service_key, tenant=_tenant(""))
        entry = self._current().named(name, "realtime")
        if entry is None:
            raise NotAuthenticated("The key that this client secret was made with is not good any more.")
        return Caller(key=self._service_key, tenant=_tenant(f"{entry.name} by name"), entry=entry, issuer=True)

    def holds(self, who: Caller, scope: Scope) -> bool:
        """Whether this caller's key, or for an issuer any of its keys, still exists and is for `scope`."""
        if who.entry is None:
            return True
        keyring = self._current()
        return keyring.named(who.name, scope) is not None if who.issuer else keyring.holds(who.entry, scope)

    def _current(self) -> Keyring:
        if self._path is not None:
            try:
                if _state(self._path) != self._seen:
                    self._read(self._path)
                    log.info("keys read", extra={"fields": {"keys": len(self._keyring)}})
            except (OSError, ValueError) as exc:
                log.warning("the keys stay as they were", extra={"fields": {"reason": _told(exc)}})
        return self._keyring

    def _read(self, path: Path) -> None:
        self._seen = _state(path)
        entries = keys.parse(path.read_text("utf-8-sig"))
        self._keyring = Keyring(keys.distinct([*self._plain, *entries]))
        if not entries:
            log.warning("the file of keys holds none", extra={"fields": {"setting": "COMPAT_API_KEYS_FILE"}})


def _network(connection: HTTPConnection) -> str:
    """A caller's address, or its /64 for IPv6; empty on this machine."""
    address = networks.address(connection.client.host) if connection.client else None
    return "" if address is None or address.is_loopback else networks.household(address)


def _state(path: Path) -> tuple[int, int, int]:
    found = os.stat(path)  # noqa: PTH116 - a microsecond of each request
    return found.st_mtime_ns, found.st_size, found.st_ino


def _told(exc: OSError | ValueError) -> str:
    """Nothing of what stands in the file."""
    match exc:
        case KeysError():
            return str(exc)
        case OSError():
            return f"{exc.strerror}."
        case _:
            return "It is not UTF-8 text."


def _tenant(token: str) -> str:
    return hashlib.sha256(f"tenant {token}".encode()).hexdigest()


def _reason(token: str) -> str:
    if not token:
        return "No API key was sent: send the header Authorization: Bearer YOUR_KEY."
    return "Incorrect API key provided."
