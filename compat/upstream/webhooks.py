"""Webhooks: signed calls to the public internet.

Calls are signed as Standard Webhooks requires (standardwebhooks.com, specification of 2023-12). For each call the
host name is resolved and its addresses are checked, and the connection goes to the checked address. A later change of
the DNS record therefore cannot redirect a call into a private network.
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
    """The receiver did not accept the call. The message does not contain the address."""


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of the header `webhook-signature`."""
    mac = hmac.digest(secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(mac).decode()}"


class Webhooks:
    """`secret` is the decoded part of the secret after `whsec_`. `private` allows calls to private addresses."""

    def __init__(self, secret: bytes, *, private: bool) -> None:
        self._secret = secret
        self._allowed: Callable[[Address], bool] = (lambda _: True) if private else public
        self._client = httpx2.AsyncClient(
            timeout=TIMEOUT,
            # Two host names may share an address: a kept connection could belong to the other receiver.
            limits=httpx2.Limits(max_keepalive_connections=0),
            headers={"user-agent": "qwen-asr-compat"},
            follow_redirects=False,
            trust_env=False,  # a proxy would resolve the name itself
        )

    async def send(self, url: str, message_id: str, timestamp: int, body: bytes) -> None:
        """Call `url` once. Raises Undelivered unless the receiver responds with 2xx; its body is not read.

        Resolving the name takes as long as the system allows, and the call up to TIMEOUT seconds.
        """
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
        """Replace the host name in the request by its checked address."""
        host = request.url.raw_host.decode("ascii")
        addresses = await _resolved(host, request.url.port or 443)
        if not addresses or not all(map(self._allowed, addresses)):
            raise Undelivered("not on the public internet")
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=str(addresses[0]))

    async def close(self) -> None:
        await self._client.aclose()


async def _resolved(host: str, port: int) -> list[Address]:
    """Resolve `host` in a separate thread, because the event loop's own threads resolve the service's name. A slow name
    occupies its thread even if this call is cancelled, so callers have to bound the number of calls."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[list[Address]] = loop.create_future()

    def look_up() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = [ipaddress.ip_address(str(address[0]).partition("%")[0]) for *_, address in entries]
        except (OSError, ValueError):
            addresses = []
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(resolve, addresses)

    def resolve(addresses: list[Address]) -> None:
        if not result.done():
            result.set_result(addresses)

    threading.Thread(target=look_up, name="webhook-name", daemon=True).start()
    return await result
