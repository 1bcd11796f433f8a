"""WebSocket handshakes as raw bytes: each gets a response, and the connection opens or closes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import threading
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from compat.server.run import LARGEST_FRAME
from compat.server.websocket import WebSocketProtocol
from tests.servers import serve

KEY = b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
WHOLE = (b"host: [::1]", b"connection: upgrade", b"upgrade: websocket", b"sec-websocket-version: 13", KEY)


async def hello(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    while (message := await socket.receive())["type"] == "websocket.receive":
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the client has disconnected
            await socket.send({**message, "type": "websocket.send"})


FLOODED_CLIENT, LOST = threading.Event(), threading.Event()  # set when the buffers are full; when a connection ends


async def flood(socket: WebSocket) -> None:
    """Send until the buffers of the client and this machine are full, then stop."""
    await socket.accept()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            while True:
                await socket.send_bytes(bytes(1 << 20))
    FLOODED_CLIENT.set()
    while socket.query_params and (await socket.receive())["type"] != "websocket.disconnect":
        pass


class Watched(WebSocketProtocol):
    ending = 0.1

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        LOST.set()


class Patient(Watched):
    ending = 1.0


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serve(Starlette(routes=[WebSocketRoute("/live", hello), WebSocketRoute("/echo", echo)])) as root:
        yield int(root.rpartition(":")[2])


def exchange(port: int, *lines: bytes, path: bytes = b"/live") -> bytes:
    """Return the response to a handshake. If a session opens, close it, and return the close frame too."""
    answer = b""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as client,
        contextlib.suppress(ConnectionError),  # a close frame that arrives after the server has closed
    ):
        client.sendall(b"\r\n".join([b"GET " + path + b" HTTP/1.1", *lines, b"", b""]))
        while part := client.recv(65536):
            if not answer and part[9:12] == b"101":
                answer = part
                client.sendall(b"\x88\x80\0\0\0\0")
                continue
            if not answer and b"connection: close" not in part:
                return part  # an HTTP response that leaves the connection open
            answer += part
    return answer


REFUSED: dict[str, tuple[list[bytes], int, str]] = {
    "a long line": ([*WHOLE, b"x: " + b"a" * 9000], 400, "invalid_handshake"),
    "a body": ([*WHOLE, b"content-length: 5"], 400, "invalid_handshake"),
    "a body in chunks": ([*WHOLE, b"transfer-encoding: chunked"], 400, "invalid_handshake"),
    "another version": ([*WHOLE[:3], b"sec-websocket-version: 12", KEY], 400, "invalid_handshake"),
    "no key": ([*WHOLE[:4]], 400, "invalid_handshake"),
    "a subprotocol that is none": (
        [*WHOLE, b"sec-websocket-protocol: openai-insecure-api-key.\xff"], 400, "invalid_handshake",
    ),
    "many headers": ([*WHOLE, *[b"x: 1"] * 100], 431, "request_header_fields_too_large"),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_an_invalid_handshake_gets_an_error_in_openai_shape(
    port: int, lines: list[bytes], status: int, code: str
) -> None:
    head, _, body = exchange(port, *lines).partition(b"\r\n\r\n")

    assert (status, code) == (int(head[9:12]), json.loads(body)["error"]["code"])
    assert b"openai-insecure" not in body


def test_a_handshake_opens_a_session(port: int) -> None:
    assert exchange(port, *WHOLE).startswith(b"HTTP/1.1 101 ")


PATIENT = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
names = st.sampled_from([b"host", b"origin", b"cookie", b"connection", b"upgrade", b"sec-websocket-protocol",
    b"sec-websocket-extensions", b"sec-websocket-key", b"sec-websocket-version", b"authorization", b"openai-beta",
    b"content-length", b"transfer-encoding", b"expect", b"te"])  # fmt: skip
values = st.sampled_from([b"websocket", b"upgrade", b"13", b"realtime", b"chunked", b"0", b"permessage-deflate"])
any_value = values | st.binary(max_size=12) | st.text(max_size=12).map(str.encode)
soup = st.lists(st.tuples(names, any_value).map(b": ".join) | st.binary(max_size=12), max_size=6)


@given(soup)
@PATIENT
def test_any_headers_get_a_response(port: int, lines: list[bytes]) -> None:
    assert exchange(port, *WHOLE, *lines)[9:12] in (b"101", b"400", b"403", b"404", b"426", b"431")


TEXT, PING, PONG = b"\x81\x82\0\0\0\0hi", b"\x89\x82\0\0\0\0hi", b"\x8a\x02hi"
TOO_LARGE = b"\x81\xff" + (LARGEST_FRAME + 1).to_bytes(8)
OPEN = b"\r\n".join([b"GET /echo HTTP/1.1", *WHOLE, b"", b""])
EARLY: list[tuple[bytes, bytes]] = [
    # frames before the handshake response → the start of the reply
    (TEXT, b"\x81\x02hi"),
    (PING + TEXT, PONG + b"\x81\x02hi"),
    (TOO_LARGE, b"\x88"),
    (b"\x83\x80\0\0\0\0", b"\x88"),
]


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize(("early", "answer"), EARLY)
def test_frames_before_the_handshake_response_are_handled(port: int, early: bytes, answer: bytes, parts: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        for part in [OPEN + early] if parts == 1 else [OPEN, early]:
            client.sendall(part)
        received = b""
        while answer not in received.partition(b"\r\n\r\n")[2]:
            received += (part := client.recv(65_536))
            assert part, received

    assert received.startswith(b"HTTP/1.1 101 ")


FAILURES: list[tuple[bytes, int]] = [
    (TOO_LARGE, 1009),
    (b"\x83\x80\0\0\0\0", 1002),
    (b"\x81\x81\0\0\0\0\xff", 1007),
]


@pytest.mark.parametrize(("frame", "code"), FAILURES)
def test_a_client_that_keeps_sending_receives_the_close_code(
    port: int, caplog: pytest.LogCaptureFixture, frame: bytes, code: int
) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(OPEN)
        assert client.recv(65536).startswith(b"HTTP/1.1 101 ")
        client.sendall(frame)
        for _ in range(64):
            client.sendall((TEXT + PING) * 4096)
        received = b"".join(iter(lambda: client.recv(65_536), b"")).replace(PONG, b"")

    assert (b"\x88", code) == (received[:1], int.from_bytes(received[2:4]))
    assert [] == [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(("begin", "whole"), [(b"\x01", b"\x81"), (b"\x02", b"\x82")])
def test_a_message_in_many_fragments_takes_little_more_memory_than_its_length(
    port: int, begin: bytes, whole: bytes
) -> None:
    count = 20_000
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(OPEN)
        assert client.recv(65536).startswith(b"HTTP/1.1 101 ")
        tracemalloc.start()
        client.sendall(begin + b"\x82\0\0\0\0ab" + b"\0\x82\0\0\0\0ab" * (count - 1) + PING)
        assert client.recv(4) == PONG
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        client.sendall(b"\x80\x80\0\0\0\0")
        received = b""
        while len(received) < 4 + 2 * count:
            received += (part := client.recv(65_536))
            assert part, received

    assert taken < 10 * count
    assert received == whole + b"\x7e" + (2 * count).to_bytes(2) + b"ab" * count


def test_an_unfinished_message_is_freed_with_its_connection() -> None:
    LOST.clear()
    with serve(Starlette(routes=[WebSocketRoute("/echo", echo)]), ws=Watched) as root:
        gc.disable()
        tracemalloc.start()
        try:
            with socket.create_connection(("127.0.0.1", int(root.rpartition(":")[2])), timeout=10) as client:
                client.sendall(OPEN)
                assert client.recv(65536).startswith(b"HTTP/1.1 101 ")
                client.sendall(b"\x82\xff" + (8 << 20).to_bytes(8) + bytes(4 + (4 << 20)))
            assert LOST.wait(10)
            held = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
            gc.enable()

    assert held < 2 << 20


FLOODED = Starlette(routes=[WebSocketRoute("/flood", flood)])


@pytest.mark.parametrize(("query", "ping"), [(b"", 20.0), (b"?stay=1", 0.05)])
def test_a_client_that_stops_reading_is_cut_off(query: bytes, ping: float) -> None:
    LOST.clear()
    with serve(FLOODED, ws=Watched, ping=ping, pong=0.05) as root, unread(root, query):
        assert LOST.wait(10)


async def say_goodbye(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_bytes(bytes(1 << 16))
    await socket.close()


def test_a_client_that_reads_late_gets_everything_although_it_sends_something_before() -> None:
    LOST.clear()
    app = Starlette(routes=[WebSocketRoute("/flood", say_goodbye)])
    with serve(app, ws=Patient) as root, unread(root) as client:
        for _ in range(24):
            client.sendall(PING)
            assert not LOST.wait(0.05)
        client.sendall(b"\x88\x80\0\0\0\0")
        received = b"".join(iter(lambda: client.recv(65536), b""))

    assert len(received) > 1 << 16
    assert b"\x88\x02\x03\xe8" in received[-200:]


def test_the_server_stops_although_a_client_does_not_read() -> None:
    FLOODED_CLIENT.clear()
    with contextlib.ExitStack() as stack, serve(FLOODED) as root:
        stack.enter_context(unread(root))
        assert FLOODED_CLIENT.wait(10)


def unread(root: str, query: bytes = b"") -> socket.socket:
    """Return a client that has asked for a flood and does not read it."""
    client = socket.create_connection(("127.0.0.1", int(root.rpartition(":")[2])), timeout=10)
    client.sendall(b"\r\n".join([b"GET /flood" + query + b" HTTP/1.1", *WHOLE, b"", b""]))
    return client
