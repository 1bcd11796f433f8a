"""Responses with unread bodies: httpx2's through a proxy, and lighter ones of direct connections."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

import httpx2

from compat.upstream.connection import Exchange


class UnreadAnswer(Protocol):
    """The parts of httpx2.Response that are used. Names in `headers` are in lower case, or their case is ignored."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    def aiter_bytes(self) -> AsyncGenerator[bytes, None]:
        """Return the decompressed body as it arrives."""

    async def aclose(self) -> None:
        """Close the connection, unless the response is complete."""


class DirectAnswer:
    """The response of an exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.status_code = exchange.answer.status
        self.headers: dict[str, str] = {}
        for key, value in exchange.answer.headers:
            name, text = key.decode("latin-1").lower(), value.decode("latin-1")
            self.headers[name] = f"{self.headers[name]}, {text}" if name in self.headers else text

    def aiter_bytes(self) -> AsyncGenerator[bytes, None]:
        if "content-encoding" in self.headers:
            encoded = httpx2.Response(self.status_code, headers=self._exchange.answer.headers, stream=self._exchange)
            return encoded.aiter_bytes()
        return aiter(self._exchange)

    async def aclose(self) -> None:
        await self._exchange.aclose()


def decoded(answer: UnreadAnswer, body: bytes) -> UnreadAnswer:
    """Return the response with a body that was read from it."""
    described = ("content-encoding", "content-length", "transfer-encoding")
    headers = [(name, value) for name, value in answer.headers.items() if name not in described]
    return httpx2.Response(answer.status_code, headers=headers, content=body)
