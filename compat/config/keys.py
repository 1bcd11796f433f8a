"""API keys: parsing of `COMPAT_API_KEYS_FILE` and lookup by hash. Plain keys are not kept in memory.

    # name  key, or sha256:… of one   scopes           limits
    alice   sk-alice-0123456789       rest,realtime    60/minute,concurrency=4
    alice   sha256:9f86d081884c7d65…  rest,realtime    60/minute,concurrency=4
    bob     sk-bob-0123456789         rest             audio=36000/day,audio=600/request
    prom    sk-scraper-0123456789     admin

Two lines with the same name are two keys of one client, so that you can rotate a key without downtime.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Any, Literal, get_args

import msgspec

from compat.config import parsers

Scope = Literal["rest", "realtime", "jobs", "admin"]
SCOPES: frozenset[Scope] = frozenset(get_args(Scope))
USUAL: frozenset[Scope] = SCOPES - {"admin"}
RATE = re.compile(r"[1-9]\d{0,8}/(second|minute|hour|day)", re.ASCII)
_COUNT = re.compile(r"[1-9]\d{0,8}", re.ASCII)
_AUDIO = re.compile(r"([1-9]\d{0,8})/(day|request)", re.ASCII)
_HASHED = re.compile(r"sha256:([0-9a-f]{64})", re.IGNORECASE)
EXAMPLE = "60/minute,concurrency=4,audio=36000/day,audio=600/request,live=fun-asr-realtime"
_NAME = re.compile(r"[\w.@-]{1,64}")


class KeysError(ValueError):
    """A line is invalid. The message gives its number and the reason, and never contains any part of the key."""


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One key. `rate` limits the client's requests (`60/minute`); `concurrency` limits its simultaneous calls to
    DashScope for files, and its live sessions. `live` is the live model behind OpenAI's names for this client. `daily`
    and `longest` bound the seconds of audio that the client may send in one UTC day, and in one request or session."""

    name: str
    digest: bytes
    scopes: frozenset[Scope] = USUAL
    rate: str | None = None
    concurrency: int | None = None
    live: str | None = None
    daily: int | None = None
    longest: int | None = None


class Keyring:
    def __init__(self, entries: Iterable[KeyEntry]) -> None:
        self._entries = tuple(entries)
        self.callers = {entry.name for entry in self._entries if entry.scopes & USUAL}
        """Names of the clients that may use more than `/metrics`."""

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, token: str) -> KeyEntry | None:
        """Return the entry of a key, None if unknown. Compares with every key in constant time, so that timing does not
        reveal a near match."""
        digest = hashed(token)
        matches = [entry for entry in self._entries if hmac.compare_digest(entry.digest, digest)]
        return matches[0] if matches else None

    def has_scope(self, entry: KeyEntry, scope: Scope) -> bool:
        """Return whether this key still exists with `scope`, even if its limits have changed."""
        return any(other.digest == entry.digest and scope in other.scopes for other in self._entries)

    def named(self, name: str, scope: Scope) -> KeyEntry | None:
        """Return a key with this name and `scope`, None if there is none."""
        return next((entry for entry in self._entries if entry.name == name and scope in entry.scopes), None)


def hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def plain(keys: Iterable[str]) -> list[KeyEntry]:
    """Return entries for the keys of `COMPAT_API_KEYS`, named by position: `key-1`, `key-2`, …"""
    return [KeyEntry(name=f"key-{place}", digest=hashed(key)) for place, key in enumerate(keys, 1)]


def distinct(entries: Iterable[KeyEntry]) -> tuple[KeyEntry, ...]:
    """Return the entries. Raises KeysError if two share a key, as the scopes and limits of the second never apply."""
    by_digest: dict[bytes, KeyEntry] = {}
    for entry in entries:
        if (first := by_digest.setdefault(entry.digest, entry)) is not entry:
            names = f"{first.name} and {entry.name}" if first.name != entry.name else f"two lines of {entry.name}"
            raise KeysError(f"The same key is used for {names}: remove one of them.")
    return tuple(by_digest.values())


def parse(text: str) -> list[KeyEntry]:
    """Return the entries of a key file. Raises KeysError."""
    lines = ((number, line.partition(" #")[0].split()) for number, line in enumerate(text.splitlines(), 1))
    return [_entry(number, words) for number, words in lines if words and not words[0].startswith("#")]


def _entry(number: int, words: list[str]) -> KeyEntry:
    name, key, scopes, limits = (*words, "", "", "")[:4]
    if len(words) > 4 or not _NAME.fullmatch(name):
        raise KeysError(f"Line {number} should contain: name, key, scopes, limits.")
    digest = _digest(number, name, key)
    if scopes and (RATE.match(scopes) or "=" in scopes) and not limits:
        scopes, limits = "", scopes
    return KeyEntry(name=name, digest=digest, scopes=_scopes(number, scopes), **_limits(number, limits))


def _digest(number: int, name: str, key: str) -> bytes:
    """Return the digest of a key or hash. A malformed hash is rejected: treated as a plain key, it would give access to
    anyone who can read the file."""
    if match := _HASHED.fullmatch(key):
        return bytes.fromhex(match[1])
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
        raise KeysError(f"Line {number}: scopes should be among {', '.join(get_args(Scope))}.")
    return frozenset(known[scope] for scope in named)


def _limits(number: int, limits: str) -> dict[str, Any]:
    """Return the fields of a KeyEntry that the last column sets."""
    fields: dict[str, Any] = {}
    for limit in filter(None, limits.split(",")):
        name, _, value = limit.partition("=")
        field: tuple[str, Any]
        if RATE.fullmatch(limit):
            field = "rate", limit
        elif name == "concurrency" and _COUNT.fullmatch(value):
            field = "concurrency", int(value)
        elif name == "audio" and (bound := _AUDIO.fullmatch(value)):
            field = "daily" if bound[2] == "day" else "longest", int(bound[1])
        elif name == "live" and value:
            field = "live", value
        else:
            raise KeysError(f"Line {number}: limits should look like {EXAMPLE}.")
        if field[0] in fields:
            raise KeysError(f"Line {number} sets a limit twice: write each of {EXAMPLE} once.")
        fields[field[0]] = field[1]
    return fields
