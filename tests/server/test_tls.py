"""TLS handshakes that never finish, fail at once, or end together with a request."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator

import pytest
import stamina
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from compat.server.connections import SPARE, Connections
from tests.servers import serve
from tests.tls import certificate


async def scheme(request: Request) -> Response:
    return JSONResponse(request.url.scheme)


async def at_once() -> None:
    pass


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Connections]]:
    app = Starlette(routes=[Route("/healthz", scheme)])
    app.state.retire = app.state.leave = at_once
    connections = Connections(8)
    with serve(app, *certificate(tmp_path_factory.mktemp("tls")), head_timeout=5.0, connections=connections) as root:
        yield int(root.rpartition(":")[2]), connections


def ask(port: int) -> str:
    """Send a request in one write with the end of the handshake, and return the response."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.sendall(outgoing.read())
                incoming.write(client.recv(65_536))
        tls.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        client.sendall(outgoing.read())
        received = b""
        while not received.endswith(b'"'):
            with contextlib.suppress(ssl.SSLWantReadError):
                received += tls.read(65_536)
                continue
            incoming.write(client.recv(65_536))
    answer: str = json.loads(received.partition(b"\r\n\r\n")[2])
    return answer


HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01"


@pytest.mark.parametrize("sent", [b"", HELLO, b"GET / HTTP/1.1\r\n\r\n"], ids=["silence", "a beginning", "no TLS"])
@pytest.mark.parametrize("leaves", [False, True])
def test_unfinished_handshakes_leave_room_for_other_clients(
    opened: tuple[int, Connections], sent: bytes, leaves: bool
) -> None:
    port, connections = opened
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            with contextlib.suppress(ConnectionError):  # the server may have closed it already
                client.sendall(sent)
            if leaves:
                client.close()
        assert ["https"] * 3 == [ask(port) for _ in range(3)]
        assert len(connections) <= 8 + SPARE
    for attempt in stamina.retry_context(on=AssertionError, attempts=100, timeout=10, wait_max=0.1):
        with attempt:
            assert 0 == len(connections)
