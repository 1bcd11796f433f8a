"""Calling a caller back, signed by Standard Webhooks (standardwebhooks.com, specification of 2023-12), and never
anywhere but on the public internet: an address is resolved and judged at the moment of each call, and the connection
goes to the address that was judged.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import ipaddress
import socket
import threading
from collections.abc import Callable

import httpx2

from compat.addresses import Address, public

TIMEOUT = 15.0  # seconds for one attempt


class Undelivered(Exception):
    """The call did not arrive; the message says nothing of the address."""


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    mac = hmac.digest(secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(mac).decode()}"


class Webhooks:
    """`secret` are the bytes behind `whsec_`; `private` lets calls go to private addresses."""

    def __init__(self, secret: bytes, *, private: bool) -> None:
        self._secret = secret
        self._allowed: Callable[[Address], bool] = (lambda _: True) if private else public
        self._client = httpx2.AsyncClient(
            timeout=TIMEOUT,
            # A connection is another receiver's as soon as two names have one address.
            limits=httpx2.Limits(max_keepalive_connections=0),
            headers={"user-agent": "qwen-asr-compat"},
            follow_redirects=False,
            trust_env=False,  # a proxy would resolve the name itself
        )

    async def send(self, url: str, message_id: str, timestamp: int, body: bytes) -> None:
        """One attempt: to resolve the name, which takes as long as the system lets it, and TIMEOUT for the call. Raises
        Undelivered unless the receiver answers 2xx; its body is not read."""
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._secret, message_id, timestamp, body),
        }
        try:
            request = self._client.build_request("POST", url, content=body, headers=headers)
            await self._aim(request)
            async with asyncio.timeout(TIMEOUT):
                response = await self._client.send(request, stream=True)
                await response.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as exc:
            raise Undelivered(type(exc).__name__) from exc
        if not response.is_success:
            raise Undelivered(f"HTTP {response.status_code}")

    async def _aim(self, request: httpx2.Request) -> None:
        """Puts the address that was judged in the place of the name."""
        host = request.url.raw_host.decode("ascii")
        addresses = await _resolved(host, request.url.port or 443)
        if not addresses or not all(map(self._allowed, addresses)):
            raise Undelivered("not on the public internet")
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=str(addresses[0]))

    async def close(self) -> None:
        await self._client.aclose()


async def _resolved(host: str, port: int) -> list[Address]:
    """In a thread of its own, which nothing else waits for: those of the event loop resolve the service's name. A slow
    name keeps its thread even if the call is given up, so callers of this have to bound them."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[Address]] = loop.create_future()

    def look() -> None:
        try:
            places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = [ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in places]
        except (OSError, ValueError):
            addresses = []
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, addresses)

    def tell(addresses: list[Address]) -> None:
        if not found.done():
            found.set_result(addresses)

    threading.Thread(target=look, name="webhook-name", daemon=True).start()
    return await found
