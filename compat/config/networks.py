"""Client addresses, also as reported by trusted proxies."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@functools.lru_cache(4096)
def address(text: str) -> Address | None:
    """Parse an IP address; None if `text` is not one. Drops an IPv6 zone; converts an IPv4-mapped address to IPv4."""
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def client_network(client: Address) -> str:
    """Return the unit that limits per client count: the address in IPv4, its /64 network in IPv6."""
    return str(ipaddress.ip_network((client, 64), strict=False)) if client.version == 6 else str(client)


def within(text: str, networks: Iterable[Network]) -> bool:
    """Return whether `text` is an address in one of `networks`."""
    parsed = address(text)
    return parsed is not None and any(parsed in network for network in networks)


def caller(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the client address behind a trusted peer: the last entry of X-Forwarded-For that is not a trusted proxy.
    Each proxy appends the address of its own peer, so all earlier entries may be forged."""
    for entry in reversed(forwarded):
        parsed = address(_host(entry.strip()))
        if parsed is None:
            break
        peer = str(parsed)
        if not within(peer, trusted):
            break
    return peer


def _host(entry: str) -> str:
    """Return the entry without the port that some proxies add."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
