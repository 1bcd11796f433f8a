"""Responses to HTTP/1.0, byte by byte."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.servers import serve

PARTS = (b"data: one\n\n", b"", b"data: two\n\n")


async def stream(request: Request) -> Response:
    await request.body()

    async def parts() -> AsyncIterator[bytes]:
        for part in PARTS:
            yield part

    return StreamingResponse(parts(), media_type="text/event-stream")


async def whole(_: Request) -> Response:
    return PlainTextResponse("whole")


async def empty(_: Request) -> Response:
    return Response(status_code=204)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    routes = [Route("/stream", stream, methods=["GET", "POST"]), Route("/whole", whole), Route("/empty", empty)]
    with serve(Starlette(routes=routes)) as base:
        yield int(base.rpartition(":")[2])


def exchange(port: int, sent: bytes) -> tuple[str, bytes]:
    """Return the head of the response in lower case, and its body up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(sent)
        got = b""
        while part := connection.recv(65536):
            got += part
    head, _, body = got.partition(b"\r\n\r\n")
    return head.decode().lower(), body


ANSWERS = [
    (b"GET /stream HTTP/1.0\r\n\r\n", b"".join(PARTS)),
    (b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", b"".join(PARTS)),
    (b"POST /stream HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", b"".join(PARTS)),
    (b"HEAD /stream HTTP/1.0\r\n\r\n", b""),
    (b"GET /whole HTTP/1.0\r\n\r\n", b"whole"),
    (b"HEAD /whole HTTP/1.0\r\n\r\n", b""),
    (b"GET /empty HTTP/1.0\r\n\r\n", b""),
]


@pytest.mark.parametrize(("sent", "body"), ANSWERS)
def test_the_end_of_the_connection_ends_the_body(port: int, sent: bytes, body: bytes) -> None:
    head, got = exchange(port, sent)

    assert body == got
    assert "transfer-encoding" not in head
    assert "connection: close" in head


def test_http_1_1_responses_are_chunked(port: int) -> None:
    head, got = exchange(port, b"GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert "transfer-encoding: chunked" in head
    assert got.endswith(b"0\r\n\r\n")
