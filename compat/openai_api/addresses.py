"""Addresses of audio that callers give instead of a file. They are passed on, never fetched here."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from compat.errors import BadRequest

_PRIVATE = ("localhost", "local", "internal", "intranet", "lan", "home", "arpa", "test", "invalid", "example")


def public_https(url: str, param: str) -> str:
    """Raises BadRequest for what is no https address of the public internet, as far as it can be seen from itself."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as exc:
        raise BadRequest(f"{param} is not an address.", param=param) from exc
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme != "https" or not host or not url.isascii() or any(letter.isspace() for letter in url):
        raise BadRequest(f"{param} is not an https address, percent-encoded where it has to be.", param=param)
    if parts.username is not None or parts.password is not None:
        raise BadRequest(f"{param} holds a name or a password.", param=param)
    if not _public(host):
        raise BadRequest(f"{param} is not on the public internet.", param=param)
    return url


def _public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        *_, last = host.split(".")
        return "." in host and last not in _PRIVATE and not last.isdigit() and not last.startswith("0x")
