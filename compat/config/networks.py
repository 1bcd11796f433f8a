"""Addresses of callers, and what trusted proxies report of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def address(text: str) -> Address | None:
    """None for what is no address. Zones are dropped, IPv4 in IPv6 is IPv4."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def household(found: Address) -> str:
    """The address by which a caller is counted: an IPv4 address, or the /64 of an IPv6 address."""
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


def within(text: str, networks: Iterable[Network]) -> bool:
    found = address(text)
    return found is not None and any(found in network for network in networks)


def caller(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The client of a trusted peer: the last address in X-Forwarded-For that is not a trusted proxy's. Each proxy
    appends the address that called it, so all addresses before that one may be forged."""
    for entry in reversed(forwarded):
        found = address(_host(entry.strip()))
        if found is None:
            break
        peer = str(found)
        if not within(peer, trusted):
            break
    return peer


def _host(entry: str) -> str:
    """Without a port, which some proxies add."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
