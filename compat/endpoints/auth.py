"""Authentication: the Principal of a request or a session, and its admission."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sys
from pathlib import Path

from starlette.requests import HTTPConnection

from compat.config import keys, networks
from compat.config.keys import KeyEntry, Keyring, KeysError, Scope
from compat.config.principal import ANYONE, Party, Principal
from compat.config.settings import Settings
from compat.config.variables import SettingsError
from compat.endpoints.admission import Admission
from compat.errors import Forbidden, NotAuthenticated
from compat.openai_api import credentials, secrets
from compat.upstream.budget import Budget
from compat.upstream.shares import Shares

log = logging.getLogger("compat.keys")
PROVEN = 10_000  # callers' own DashScope keys that are remembered as accepted


class Gate:
    """Authenticate callers and admit them.

    A changed key file is read again at the next request. If it is unreadable or invalid, the previous keys stay valid.
    """

    def __init__(
        self,
        settings: Settings,
        budget: Budget | None = None,
        admission: Admission | None = None,
        proven: Shares | None = None,
    ) -> None:
        """`proven` counts the callers' own keys that DashScope has accepted, for all workers.

        Raises SettingsError for settings that exclude each other and for an unusable key file.
        """
        if settings.pass_key and settings.fallback_api_key:
            raise SettingsError(
                "COMPAT_PASS_KEY and DASHSCOPE_FALLBACK_API_KEY exclude each other: every caller could use the "
                "fallback key."
            )
        self._budget = budget
        self._admission = admission
        self._pass = settings.pass_key
        self._proven: dict[str, None] = {}
        self._proven_anywhere = proven or Shares(sys.maxsize)
        self._service_key = settings.dashscope_api_key or ""
        self._plain = keys.plain(settings.api_keys)
        self._path = settings.api_keys_file
        self._seen: tuple[int, int, int] | None = None
        self._keyring = Keyring(self._plain)
        if self._path is not None:
            try:
                self._read(self._path)
            except (OSError, ValueError) as exc:
                raise SettingsError(f"COMPAT_API_KEYS_FILE cannot be used: {_problem(exc)}") from exc

    @property
    def keyed(self) -> bool:
        """Whether callers need one of the server's own keys."""
        return bool(self._plain) or self._path is not None

    @property
    def passes_keys(self) -> bool:
        """Whether callers use DashScope accounts of their own."""
        return self._pass and not self.keyed

    def caller(self, request: HTTPConnection, scope: Scope = "rest") -> Principal:
        """Return the caller of a request. Raises NotAuthenticated or Forbidden.

        With neither keys nor COMPAT_PASS_KEY every caller is accepted; `serve` then binds loopback.
        """
        authorization = request.headers.getlist("authorization")
        token = credentials.key_shown(authorization, request.headers.get("api-key", ""))
        if self.is_secret(token):
            raise NotAuthenticated("A client secret can only open realtime sessions.")
        try:
            principal = self.known(token, scope, request)
        except NotAuthenticated as exc:
            raise NotAuthenticated(credentials.trouble(authorization) or exc.message) from exc
        request.state.entry.caller = principal.name
        return principal

    def enter(self, connection: HTTPConnection, principal: Principal) -> None:
        """Count a connection against its caller until it has been served. Raises ServiceUnavailable."""
        if self._admission:
            self._admission.enter(connection, principal.party)
            if not principal.party.known:
                connection.state.stay.callback(self._request_ended, connection, principal)

    def _request_ended(self, connection: HTTPConnection, principal: Principal) -> None:
        if connection.scope.get("method") == "POST" and connection.state.entry.status == 200:
            self.prove(principal)

    def prove(self, principal: Principal) -> None:
        """Remember that DashScope accepted this caller's key."""
        if principal.tenant in self._proven:
            del self._proven[principal.tenant]
        else:
            self._proven_anywhere.take(Party(principal.tenant))
        self._proven[principal.tenant] = None
        if len(self._proven) > PROVEN:
            oldest = next(iter(self._proven))
            del self._proven[oldest]
            self._proven_anywhere.give(Party(oldest))

    async def admit(self, connection: HTTPConnection, principal: Principal) -> None:
        """Do as `enter`, and charge the caller's rate limit. Raises ServiceUnavailable or BudgetSpent."""
        self.enter(connection, principal)
        await self._charge(principal)

    async def admit_call(self, principal: Principal, stay: contextlib.ExitStack) -> None:
        """Count a call by WebRTC as a session of its caller until `stay` ends, and charge the rate limit.

        Raises ServiceUnavailable or BudgetSpent.
        """
        if self._admission:
            self._admission.enter_call(principal.party, stay)
        await self._charge(principal)

    async def _charge(self, principal: Principal) -> None:
        if self._budget and principal.entry:
            await self._budget.charge(principal.name, principal.entry.rate)

    def is_secret(self, token: str) -> bool:
        """Return whether `token` is a client secret rather than a key."""
        return token.startswith(secrets.PREFIX) and self._current().find(token) is None

    def known(self, token: str, scope: Scope, connection: HTTPConnection) -> Principal:
        """Return the caller of a key, wherever the request carries it. Raises NotAuthenticated or Forbidden."""
        if not self.keyed:
            if self._pass and not (token and credentials.usable(token)):
                raise NotAuthenticated(_reason(token))
            if self._pass and scope == "admin":
                raise Forbidden("No key has the scope admin: COMPAT_API_KEYS_FILE sets scopes.")
            return self._unlisted(token if self._pass else self._service_key, _tenant(token), connection)
        entry = self._current().find(token)
        if entry is None:
            raise NotAuthenticated(_reason(token))
        # A caller in the key file keeps its jobs when its key changes.
        tenant = _tenant(f"{entry.name} by name") if entry not in self._plain else _tenant(token)
        principal = self._listed(entry, tenant)
        principal.check(scope)
        return principal

    def issuer(self, name: str, connection: HTTPConnection) -> Principal:
        """Return the caller that issued a client secret; sessions opened with the secret count against it.

        Raises NotAuthenticated if no key of this name may open sessions any more.
        """
        if not self.keyed:
            return self._unlisted(self._service_key, _tenant(""), connection)
        entry = self._current().named(name, "realtime")
        if entry is None:
            raise NotAuthenticated("The key that issued this client secret is no longer valid.")
        return self._listed(entry, _tenant(f"{entry.name} by name"), issuer=True)

    def _listed(self, entry: KeyEntry, tenant: str, *, issuer: bool = False) -> Principal:
        party = Party(entry.name, entry.concurrency, alone=len(self._keyring.callers) < 2)
        return Principal(self._service_key, tenant, party, entry, issuer)

    def _unlisted(self, key: str, tenant: str, connection: HTTPConnection) -> Principal:
        """Return a caller without an entry. Such callers are distinguished by key, and if every key is accepted by
        address. Loopback is one party without a share limit, because a proxy may forward everybody from there."""
        if self._pass:
            party = Party(tenant, alone=False, known=self._is_proven(tenant))
            return Principal(key, tenant, party, payer=tenant)
        address = _network(connection)
        party = Party(address, alone=False) if address else ANYONE
        return Principal(key, tenant, party)

    def _is_proven(self, tenant: str) -> bool:
        return tenant in self._proven or self._proven_anywhere.held(Party(tenant)) > 0

    def has_scope(self, principal: Principal, scope: Scope) -> bool:
        """Return whether the caller's key still exists and has `scope`; for an issuer, whether any of its keys has."""
        if principal.entry is None:
            return True
        keyring = self._current()
        if principal.issuer:
            return keyring.named(principal.name, scope) is not None
        return keyring.has_scope(principal.entry, scope)

    def _current(self) -> Keyring:
        if self._path is not None:
            try:
                if _state(self._path) != self._seen:
                    self._read(self._path)
                    log.info("keys read", extra={"fields": {"keys": len(self._keyring)}})
            except (OSError, ValueError) as exc:
                log.warning(
                    "the key file is unusable, the previous keys stay valid",
                    extra={"fields": {"reason": _problem(exc)}},
                )
        return self._keyring

    def _read(self, path: Path) -> None:
        self._seen = _state(path)
        entries = keys.parse(path.read_text("utf-8-sig"))
        self._keyring = Keyring(keys.distinct([*self._plain, *entries]))
        if not entries:
            log.warning("the file of keys holds none", extra={"fields": {"setting": "COMPAT_API_KEYS_FILE"}})


def _network(connection: HTTPConnection) -> str:
    """Return the client's address, or its /64 network for IPv6; an empty string for loopback."""
    address = networks.address(connection.client.host) if connection.client else None
    return "" if address is None or address.is_loopback else networks.client_network(address)


def _state(path: Path) -> tuple[int, int, int]:
    stat = os.stat(path)  # noqa: PTH116 - Path.stat costs each request another microsecond
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _problem(exc: OSError | ValueError) -> str:
    """Return a description that contains no text of the file."""
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
