"""Calling a caller back, signed by Standard Webhooks (standardwebhooks.com, specification of 2023-12), and never
anywhere but on the public internet: an address is resolved and judged at the moment of each call, and the connection
goes to the address that was judged.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx2

from compat.errors import BadRequest

TIMEOUT = 15.0  # seconds for one attempt
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Undelivered(Exception):
    """The call did not arrive; the message says nothing of the address."""


def check(url: str, *, http: bool, private: bool) -> None:
    """Raises BadRequest for an address that can never be called. `http`, `private`: what is allowed beside public
    https addresses."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as exc:
        raise _refused("is not an address") from exc
    if parts.scheme not in (("https", "http") if http else ("https",)) or not parts.hostname:
        raise _refused("is not an https address" if not http else "is not an http(s) address")
    if parts.username is not None or parts.password is not None:
        raise _refused("holds a name or a password")
    if not private and not all(map(public, _literal(parts.hostname))):
        raise _refused("is not on the public internet")


def public(address: Address) -> bool:
    """Whether an address belongs to the public internet: not this machine, a private network, or a cloud's metadata.
    An address that carries another one within is judged by that too."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None and not public(inner):
            return False
    return address.is_global and not address.is_multicast


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    mac = hmac.digest(secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(mac).decode()}"


class Webhooks:
    """`secret` are the bytes behind `whsec_`; `private` lets calls go to private addresses."""

    def __init__(self, secret: bytes, *, private: bool) -> None:
        self._secret = secret
        self._client = httpx2.AsyncClient(
            transport=_Guarded((lambda _: True) if private else public),
            timeout=TIMEOUT,
            headers={"user-agent": "qwen-asr-compat"},
            follow_redirects=False,
            trust_env=False,  # a proxy would resolve the name itself
        )

    async def send(self, url: str, message_id: str, timestamp: int, body: bytes) -> None:
        """One attempt. Raises Undelivered unless the receiver answers 2xx; its body is not read."""
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._secret, message_id, timestamp, body),
        }
        try:
            async with (
                asyncio.timeout(TIMEOUT),
                self._client.stream("POST", url, content=body, headers=headers) as response,
            ):
                status = response.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as exc:
            raise Undelivered(type(exc).__name__) from exc
        if not 200 <= status < 300:
            raise Undelivered(f"HTTP {status}")

    async def close(self) -> None:
        await self._client.aclose()


class _Guarded(httpx2.AsyncHTTPTransport):
    def __init__(self, allowed: Callable[[Address], bool]) -> None:
        super().__init__()
        self._allowed = allowed

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        addresses = await _resolved(host, request.url.port or 443)
        if not addresses or not all(map(self._allowed, addresses)):
            raise Undelivered("not on the public internet")
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=str(addresses[0]))
        return await super().handle_async_request(request)


async def _resolved(host: str, port: int) -> list[Address]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in found]


def _literal(host: str) -> list[Address]:
    """The address that `host` spells, if it is no name."""
    try:
        return [ipaddress.ip_address(host.partition("%")[0])]
    except ValueError:
        return []


def _refused(reason: str) -> BadRequest:
    return BadRequest(f"webhook_url {reason}.", param="webhook_url")
