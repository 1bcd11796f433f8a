"""Bodies that the server receives into one buffer for the application."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from compat.endpoints.usual import WHOLE
from tests.polling import settled
from tests.server.stage import Wire, connected
from tests.servers import serve
from tests.tls import certificate

BODY = bytes(range(256)) * 8
OUTCOMES: list[object] = []


async def whole(request: Request) -> Response:
    """Respond with the checksum of the body. A size in the query is requested in place of the declared one."""
    size = int(request.query_params.get("size", request.headers["content-length"]))
    body = await request.scope["extensions"][WHOLE](size)
    OUTCOMES.append(None if body is None else len(body))
    try:
        return PlainTextResponse(str(sum(await request.body() if body is None else body)))
    except ClientDisconnect:
        OUTCOMES.append(ClientDisconnect)
        raise


async def abandoned(request: Request) -> Response:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await request.scope["extensions"][WHOLE](int(request.headers["content-length"]))
    return PlainTextResponse("too late", 503)


async def brief(_: Request) -> Response:
    return PlainTextResponse("brief")


async def at_once() -> None:
    pass


APP = Starlette(
    routes=[
        Route("/whole", whole, methods=["POST"]),
        Route("/abandoned", abandoned, methods=["POST"]),
        Route("/brief", brief),
    ]
)

APP.state.retire = APP.state.leave = at_once


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


NEXT = b"GET /brief HTTP/1.1\r\nhost: x\r\n\r\n"
CHECKSUM = str(sum(BODY)).encode()


@pytest.fixture(autouse=True)
def forgotten() -> None:
    OUTCOMES.clear()


async def test_a_body_is_whole_wherever_it_is_split_and_the_next_request_is_answered() -> None:
    sent = post("/whole", BODY) + NEXT
    wire = Wire()
    async with connected(APP, wire):
        for place in range(1, len(sent)):
            wire.written = b""
            for piece in (sent[:place], sent[place:]):
                wire.receive(piece)
                await settled()
            assert (1, 1) == (wire.written.count(CHECKSUM), wire.written.count(b"\r\n\r\nbrief")), place
    assert {len(BODY)} == set(OUTCOMES)


@pytest.mark.parametrize("path", ["/whole?size=7", f"/whole?size={len(BODY) + 1}"])
async def test_a_body_of_another_size_is_received_as_usual(path: str) -> None:
    wire = Wire()
    async with connected(APP, wire):
        wire.receive(post(path, BODY) + NEXT)
        await settled()

    assert [None] == OUTCOMES
    assert wire.written.index(CHECKSUM) < wire.written.index(b"brief")


@pytest.mark.parametrize("size", [0, 1, len(BODY) - 1])
async def test_a_client_that_disconnects_within_the_body(size: int) -> None:
    wire = Wire()
    async with connected(APP, wire) as (protocol, _):
        wire.receive(post("/whole", BODY)[: -len(BODY)] + BODY[:size])
        await settled()
        wire.get_protocol().connection_lost(ConnectionResetError())
        await settled()
        assert not protocol.tasks

    assert [None, ClientDisconnect] == OUTCOMES


@pytest.mark.parametrize("size", [0, 1, 1500, len(BODY)])
async def test_an_abandoned_body_is_discarded_and_the_next_request_is_answered(size: int) -> None:
    head = post("/abandoned", BODY)[: -len(BODY)]
    wire = Wire()
    async with connected(APP, wire):
        wire.receive(head + BODY[:size])
        await asyncio.sleep(0.01)
        wire.receive(BODY[size:] + NEXT)
        await settled()

    assert wire.written.index(b" 503 ") < wire.written.index(b"brief")


async def test_100_continue_is_sent_once() -> None:
    wire = Wire()
    async with connected(APP, wire):
        wire.receive(post("/whole", BODY, "expect: 100-continue")[: -len(BODY)])
        await settled()
        assert wire.written == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.receive(BODY)
        await settled()

    assert CHECKSUM in wire.written
    assert wire.written.count(b"100 Continue") == 1


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "tls"])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, bool]]:
    folder: Path = tmp_path_factory.mktemp("tls")
    with serve(APP, *(certificate(folder) if request.param else ())) as root:
        yield int(root.rpartition(":")[2]), request.param


def test_large_bodies_arrive_whole_over_a_network(port: tuple[int, bool]) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    body = BODY * 1500
    opened = socket.create_connection(("127.0.0.1", port[0]), timeout=20)
    with context.wrap_socket(opened) if port[1] else opened as client:
        for _ in range(3):
            client.sendall(post("/whole", body) + NEXT)
            received = b""
            while not received.endswith(b"brief"):
                received += client.recv(65_536)
            assert str(sum(body)).encode() in received

    assert [len(body)] * 3 == OUTCOMES
