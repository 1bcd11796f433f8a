"""Who may call, by keys of which only hashes are kept: the file of `COMPAT_API_KEYS_FILE`, read from its text.

    # name  key, or sha256:… of one   scopes           limits
    alice   sk-alice-0123456789       rest,realtime    60/minute,concurrency=4
    alice   sha256:9f86d081884c7d65…  rest,realtime    60/minute,concurrency=4
    prom    sk-scraper-0123456789     admin

Two lines with one name are two keys of one caller: so a key is changed without a moment in which neither works.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

from compat.config import parsers

Scope = Literal["rest", "realtime", "jobs", "admin"]
SCOPES: frozenset[Scope] = frozenset(get_args(Scope))
USUAL: frozenset[Scope] = SCOPES - {"admin"}
RATE = re.compile(r"[1-9]\d*/(second|minute|hour|day)")
_HASHED = re.compile(r"sha256:([0-9a-f]{64})", re.IGNORECASE)
_NAME = re.compile(r"[\w.@-]{1,64}")


class KeysError(ValueError):
    """A line that cannot be used: the message says which and why, and holds nothing of the key."""


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One key. `rate` is how often its caller may ask, as `60/minute`; `concurrency` how many calls to the service may
    be under way for it."""

    name: str
    digest: bytes
    scopes: frozenset[Scope] = USUAL
    rate: str | None = None
    concurrency: int | None = None


class Keyring:
    def __init__(self, entries: Iterable[KeyEntry]) -> None:
        self._entries = tuple(entries)
        self.callers = {entry.name for entry in self._entries if entry.scopes & USUAL}
        """Names of callers that may use more than `/metrics`."""

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, token: str) -> KeyEntry | None:
        """Compares with every key, so that the time taken does not tell which one came close."""
        digest = hashed(token)
        found = [entry for entry in self._entries if hmac.compare_digest(entry.digest, digest)]
        return found[0] if found else None

    def holds(self, entry: KeyEntry, scope: Scope) -> bool:
        """Whether this key exists and is for `scope`, whatever else its line says."""
        return any(other.digest == entry.digest and scope in other.scopes for other in self._entries)

    def named(self, name: str, scope: Scope) -> KeyEntry | None:
        """A key of the caller of this name that is for `scope`."""
        return next((entry for entry in self._entries if entry.name == name and scope in entry.scopes), None)


def hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def plain(keys: Iterable[str]) -> list[KeyEntry]:
    """Those of `COMPAT_API_KEYS`, named by their places."""
    return [KeyEntry(name=f"key-{place}", digest=hashed(key)) for place, key in enumerate(keys, 1)]


def distinct(entries: Iterable[KeyEntry]) -> tuple[KeyEntry, ...]:
    """Raises KeysError where two have one key: scopes and limits of the second would never apply."""
    found: dict[bytes, KeyEntry] = {}
    for entry in entries:
        if (first := found.setdefault(entry.digest, entry)) is not entry:
            names = f"{first.name} and {entry.name}" if first.name != entry.name else f"two lines of {entry.name}"
            raise KeysError(f"One key stands for {names}: remove one of them.")
    return tuple(found.values())


def parse(text: str) -> list[KeyEntry]:
    """Raises KeysError."""
    lines = ((number, line.partition(" #")[0].split()) for number, line in enumerate(text.splitlines(), 1))
    return [_entry(number, words) for number, words in lines if words and not words[0].startswith("#")]


def _entry(number: int, words: list[str]) -> KeyEntry:
    name, key, scopes, limits = (*words, "", "", "")[:4]
    if len(words) > 4 or not _NAME.fullmatch(name):
        raise KeysError(f"Line {number} should be: name, key, scopes, limits.")
    digest = _digest(number, name, key)
    if scopes and (RATE.match(scopes) or scopes.startswith("concurrency=")) and not limits:
        scopes, limits = "", scopes
    rate, concurrency = _limits(number, limits)
    return KeyEntry(name=name, digest=digest, scopes=_scopes(number, scopes), rate=rate, concurrency=concurrency)


def _digest(number: int, name: str, key: str) -> bytes:
    """A damaged hash is refused: taken as a key, it would let in whoever reads the file."""
    if found := _HASHED.fullmatch(key):
        return bytes.fromhex(found[1])
    if key.lower().startswith("sha256:"):
        raise KeysError(f"Line {number}: the hash of {name} should be sha256: and 64 hexadecimal digits.")
    try:
        return hashed(parsers.caller_key(key))
    except ValueError as exc:
        raise KeysError(f"Line {number}: the key of {name} should be {exc}.") from None


def _scopes(number: int, scopes: str) -> frozenset[Scope]:
    if not scopes:
        return USUAL
    known = {str(scope): scope for scope in SCOPES}
    named = scopes.split(",")
    if not set(named) <= set(known):
        raise KeysError(f"Line {number}: scopes are {', '.join(get_args(Scope))}.")
    return frozenset(known[scope] for scope in named)


def _limits(number: int, limits: str) -> tuple[str | None, int | None]:
    rate, concurrency = None, None
    for limit in filter(None, limits.split(",")):
        name, _, count = limit.partition("=")
        if RATE.fullmatch(limit):
            rate = limit
        elif name == "concurrency" and count.isdecimal() and int(count):
            concurrency = int(count)
        else:
            raise KeysError(f"Line {number}: limits are such as 60/minute and concurrency=4.")
    return rate, concurrency
