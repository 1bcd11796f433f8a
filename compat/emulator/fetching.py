"""Fetches audio URLs from the networks that `Site.reach` allows, connecting to the address that was checked."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator

import httpx2

from compat.emulator.site import Reach, hostname

USER_AGENT = "DashScopeUserBot/1.0 (emulator)"
RULE = "The emulator's own rule: it fetches audio only from the networks that --fetch allows."
NO_REDIRECTS = "The emulator's own rule: it follows no redirects."
TIMEOUT = 60.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_PLATFORM = ipaddress.ip_address("168.63.129.16")  # Azure's, which the registries call public
_CARRIERS = [  # networks whose addresses embed an IPv4 address in their last 32 bits
    ipaddress.IPv6Network(network) for network in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
]
_CARRIED_PRIVATELY = ipaddress.IPv6Network("64:ff9b:1::/48")  # NAT64 within one network (RFC 8215)
_ISATAP = (0x00005EFE, 0x02005EFE)  # the third 32 bits (RFC 5214)


class OffLimits(Exception):
    """The address lies outside the allowed networks."""


def reach(address: Address) -> Reach:
    """Return the network of an address: this machine, the public internet, or any other. An IPv6 address that embeds an
    IPv4 address counts as that address."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.is_loopback:
            return "loopback"
        inner = _embedded(address)
        if inner is not None:
            return reach(inner)
        usual = address.is_global and not address.is_multicast and not address.is_site_local
        return "public" if usual and address not in _CARRIED_PRIVATELY else "private"
    if address.is_loopback or address.is_unspecified:
        return "loopback"
    return "public" if address.is_global and not address.is_multicast and address != _PLATFORM else "private"


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    isatap = int(address) >> 32 & 0xFFFFFFFF in _ISATAP
    if isatap or any(address in network for network in _CARRIERS):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


class _CheckedTransport(httpx2.AsyncHTTPTransport):
    """Resolves a name once, checks each of its addresses, and tries them in order."""

    def __init__(self, allowed: frozenset[Reach]) -> None:
        super().__init__()
        self._allowed = allowed

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        if not host or host.startswith("%"):
            raise httpx2.InvalidURL("the URL has no host")
        found = await self._resolved(host, request.url.port or (443 if request.url.scheme == "https" else 80))
        for address in found:
            where = reach(address)
            named = where == "loopback" and hostname(host) != "localhost" and not _literal(host)
            if where not in self._allowed or named:  # another name for this machine: DNS rebinding
                raise OffLimits
        request.extensions = {**request.extensions, "sni_hostname": host}
        for address in found[:-1]:
            with contextlib.suppress(httpx2.ConnectError, httpx2.ConnectTimeout):
                return await self._dialled(request, address)
        return await self._dialled(request, found[-1])

    async def _dialled(self, request: httpx2.Request, address: Address) -> httpx2.Response:
        request.url = request.url.copy_with(host=str(address))
        return await super().handle_async_request(request)

    async def _resolved(self, host: str, port: int) -> list[Address]:
        """Return the addresses of a host. Raises httpx2.ConnectError, or OffLimits if public addresses are not
        allowed."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            if "public" not in self._allowed:
                raise OffLimits from exc
            raise httpx2.ConnectError("the name does not resolve") from exc
        return [ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in found]


def _literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@contextlib.asynccontextmanager
async def get(url: str, allowed: frozenset[Reach]) -> AsyncIterator[httpx2.Response]:
    """Yield the open response of `url`. Raises OffLimits, httpx2.HTTPError and httpx2.InvalidURL."""
    async with (
        httpx2.AsyncClient(
            transport=_CheckedTransport(allowed),
            headers={"user-agent": USER_AGENT},
            timeout=TIMEOUT,
            trust_env=False,
        ) as client,
        client.stream("GET", url) as answer,
    ):
        yield answer
