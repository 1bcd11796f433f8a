"""Checks that addresses of audio and webhooks are on the public internet.

The special ranges are those of IANA's registries of IPv4 and IPv6 special-purpose addresses (2026-06), and Azure's
168.63.129.16, which the registries do not list.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote, urlsplit, urlunsplit

from compat.errors import BadRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LONGEST = 4096  # characters of a URL that is not ASCII: `urlsplit` normalises its host, which may take quadratic time
_LONGEST_HOST = 260  # characters of a name and a port; encoding takes time that grows with the square of the length
_PRIVATE = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa", "test", "invalid", "onion")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")
_SAFE = "".join(map(chr, range(33, 127)))  # includes "%", so that escapes are kept
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")  # a host with such a last label is an IPv4 address (URL Standard, 2026)
_SPECIAL4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers' networks, and Alibaba Cloud's metadata
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host
            "169.254.0.0/16",  # link-local, and most clouds' metadata
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_UNICAST6 = ipaddress.IPv6Network("2000::/3")
_SPECIAL6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # Teredo, ORCHID, benchmarks
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)
_CARRIERS = tuple(map(ipaddress.IPv6Network, ("::ffff:0:0/96", "64:ff9b::/96")))  # IPv4-mapped, NAT64
_ISATAP = (b"\0\0\x5e\xfe", b"\x02\0\x5e\xfe")


def public(address: Address) -> bool:
    """Return whether an address is on the public internet.

    Addresses of this machine, private networks, cloud metadata services and tunnels are not. An IPv6 address that
    embeds an IPv4 address is checked as that address.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL4)
    if any(address in network for network in _CARRIERS):
        return public(ipaddress.IPv4Address(address.packed[12:]))
    special = any(address in network for network in _SPECIAL6)
    return address in _UNICAST6 and not special and address.packed[8:12] not in _ISATAP


def check(url: str, param: str, *, http: bool = False, private: bool = False) -> str:
    """Return `url`, or raise BadRequest for `param` unless it is an https URL of a host on the public internet.

    Host names are not resolved. `http` and `private` also allow plain http and private addresses.
    """
    try:
        if len(url) > _LONGEST and not url.isascii():
            raise _refused(param, f"is longer than {_LONGEST} characters that are not percent-encoded")
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as exc:
        raise _refused(param, "is not an address") from exc
    host = parts.hostname or ""
    if parts.scheme not in (("https", "http") if http else ("https",)) or not host:
        raise _refused(param, "is not an http(s) address" if http else "is not an https address")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise _refused(param, "is not an address: percent-encode it, and write its host in Punycode")
    if parts.username is not None or parts.password is not None:
        raise _refused(param, "contains a user name or a password: leave them out")
    if not private and not _public(host.removesuffix(".")):
        raise _refused(param, "is not on the public internet")
    return url


def encoded(url: str) -> str:
    """Return `url` as a browser sends it: non-ASCII letters and spaces percent-encoded, the host in Punycode.

    Text that is not a URL is returned unchanged; `check` refuses it.
    """
    if (url.isascii() and " " not in url) or (len(url) > _LONGEST and not url.isascii()):
        return url
    try:
        parts = urlsplit(url)
        if "@" in parts.netloc or len(parts.netloc) > _LONGEST_HOST:
            return url
        host = (parts.hostname or "").encode("idna").decode()
    except ValueError:
        return url
    place = parts.netloc if parts.netloc.isascii() else host + (f":{parts.port}" if parts.port else "")
    path, query, fragment = (quote(part, safe=_SAFE) for part in parts[2:])
    return urlunsplit((parts.scheme, place, path, query, fragment))


def _public(host: str) -> bool:
    try:
        return public(ipaddress.ip_address(host))
    except ValueError:
        labels = host.split(".")
        named = len(labels) > 1 and all(map(_LABEL.fullmatch, labels))
        return named and labels[-1] not in _PRIVATE and not _NUMBER.fullmatch(labels[-1])


def _refused(param: str, reason: str) -> BadRequest:
    return BadRequest(f"{param} {reason}.", param=param)
