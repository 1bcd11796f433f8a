"""Addresses of callers: whose they are, and what a trusted proxy says of them."""

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
    """What one caller has by itself: an IPv4 address, or the part of an IPv6 address that its provider assigned."""
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


def within(text: str, networks: Iterable[Network]) -> bool:
    found = address(text)
    return found is not None and any(found in network for network in networks)


def caller(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """Whom a trusted peer forwards for: the last of the addresses in X-Forwarded-For that is no trusted proxy's. Each
    proxy adds the address it was called from, so that all before that one may be invented."""
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
