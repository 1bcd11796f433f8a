"""Raw bytes to a server with short timeouts: malformed, oversized and slow requests are refused."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from compat.app import create_app
from compat.config.settings import Settings
from compat.errors import CompatError
from compat.server.run import KEEP_ALIVE
from tests.server.stage import Wire, connected
from tests.servers import serve

GONE = threading.Event()


async def whole(request: Request) -> Response:
    try:
        return PlainTextResponse(str(len(await request.body())))
    except ClientDisconnect:
        GONE.set()
        raise


async def unread(_: Request) -> Response:
    return PlainTextResponse("no", 401)


APP = Starlette(routes=[Route("/whole", whole, methods=["POST"]), Route("/unread", unread, methods=["POST"])])


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serve(APP, head_timeout=0.4, body_timeout=0.4, keep_alive=0.4) as root:
        yield int(root.rpartition(":")[2])


@pytest.fixture(scope="module")
def patient() -> Iterator[int]:
    with serve(APP) as root:
        yield int(root.rpartition(":")[2])


def exchange(port: int, *parts: bytes) -> bytes:
    """Return everything that the server sends in response to `parts` until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        with contextlib.suppress(ConnectionError):  # the server may respond and close early
            for part in parts:
                client.sendall(part)
        return b"".join(iter(lambda: client.recv(65536), b""))


LARGE = 431, "request_header_fields_too_large", "The request head has more than 100 headers or 65536 bytes."
STRANGE = 400, "invalid_http", "This is not a well-formed HTTP/1.1 request."
SLOW_HEAD = 408, "request_timeout", "The request head did not arrive within 0.4 seconds."
SLOW_BODY = 408, "request_timeout", "The request body arrives too slowly: less than 512 bytes per second."


UNKNOWN = 501, "method_not_implemented", "Unknown request method: use GET, POST or DELETE."


def head(*lines: bytes, path: bytes = b"/whole") -> bytes:
    return b"\r\n".join([b"POST %s HTTP/1.1" % path, b"host: x", *lines, b"", b""])


CHUNKED = head(b"transfer-encoding: chunked")
REFUSED: dict[str, tuple[list[bytes], tuple[int, str, str]]] = {
    "a long header": ([head(b"x-a: " + b"a" * 70_000)], LARGE),
    "a header without an end": ([b"GET / HTTP/1.1\r\nx: ", b"a" * 600_000], LARGE),
    "zeros": ([b"GET / HTTP/1.1\r\nx: ", bytes(600_000)], STRANGE),
    "a long path": ([b"GET /" + b"a" * 66_000, b" HTTP/1.1\r\n\r\n"], LARGE),
    "many headers": ([head(*[b"x-%d: 1" % n for n in range(101)])], LARGE),
    "many short headers": ([b"GET / HTTP/1.1\r\n", b"a:b\r\n" * 100_000], LARGE),
    "TLS": ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], STRANGE),
    "HTTP/2": ([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], STRANGE),
    "a wrong length": ([head(b"content-length: -1")], STRANGE),
    "a wrong chunk": ([head(b"transfer-encoding: chunked"), b"zz\r\n"], STRANGE),
    "half a head": ([b"POST /whole HTTP/1.1\r\nhost:"], SLOW_HEAD),
    "no more than line ends": ([b"\r\n", b"\r\n"], SLOW_HEAD),
    "half a body": ([head(b"content-length: 100"), b"half"], SLOW_BODY),
    "trailers without an end": ([CHUNKED, b"0\r\n", b"x: 1\r\n" * 20_000], LARGE),
    "a trailer without an end": ([CHUNKED, b"0\r\nx: ", b"a" * 600_000], LARGE),
    "an extension without an end": ([CHUNKED, b"1;x=", b"a" * 600_000], LARGE),
    "no host": ([b"GET / HTTP/1.1\r\n\r\n"], STRANGE),
    "two hosts": ([head(b"host: y", b"content-length: 0")], STRANGE),
    "an invalid host": ([b"GET / HTTP/1.1\r\nhost: a@b\r\n\r\n"], STRANGE),
    "a length and chunks": ([head(b"content-length: 4", b"transfer-encoding: chunked"), b"0\r\n\r\n"], STRANGE),
    "two lengths": ([head(b"content-length: 4", b"content-length: 5"), b"abcde"], STRANGE),
    "a coded body": ([head(b"transfer-encoding: gzip, chunked"), b"0\r\n\r\n"], STRANGE),
    "chunks in HTTP/1.0": ([CHUNKED.replace(b"/1.1", b"/1.0"), b"0\r\n\r\n"], STRANGE),
    "a folded header": ([head(b"x: a", b" b")], STRANGE),
    "another version": ([b"GET / HTTP/2.0\r\nhost: x\r\n\r\n"], STRANGE),
    "no version": ([b"GET /\r\n\r\n"], STRANGE),
    "a tunnel": ([b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n"], STRANGE),
    "an unknown method": ([b"FOO /whole HTTP/1.1\r\nhost: x\r\n\r\n"], UNKNOWN),
    "a longer method": ([b"GETX /whole HTTP/1.1\r\nhost: x\r\n\r\n"], UNKNOWN),
    "a method in lower case": ([b"post /whole HTTP/1.0\n\n"], UNKNOWN),
    "a method and no HTTP": ([b"HELO mail.example\r\n\r\n"], STRANGE),
    "a zero in the path": ([b"GET /\0 HTTP/1.1\r\nhost: x\r\n\r\n"], STRANGE),
    "a body that never comes": ([head(b"content-length: 100", b"expect: 100-continue")], SLOW_BODY),
}


@pytest.mark.parametrize(("sent", "refusal"), REFUSED.values(), ids=REFUSED)
def test_malformed_and_slow_requests_get_an_error_in_openai_shape(
    port: int, patient: int, sent: list[bytes], refusal: tuple[int, str, str]
) -> None:
    slow = refusal in (SLOW_HEAD, SLOW_BODY)
    answer = exchange(port if slow else patient, *sent).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    top, _, body = answer.partition(b"\r\n\r\n")

    error = json.loads(body)["error"]
    assert refusal == (int(top[9:12]), error["code"], error["message"])
    assert {"connection: close", "content-type: application/json"} <= set(top.decode().split("\r\n"))
    assert b"x-request-id: req_" in top


def test_no_response_to_a_silent_connection(port: int) -> None:
    assert b"" == exchange(port)


def test_an_idle_connection_closes_without_a_second_response(port: int) -> None:
    assert 1 == exchange(port, head(b"content-length: 0")).count(b"HTTP/1.1")


def test_a_slow_upload_is_cut_off_and_the_app_sees_a_disconnect(port: int) -> None:
    GONE.clear()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(head(b"content-length: 100000"))
        client.settimeout(0.05)
        answer = b""
        while not answer:
            client.sendall(b"a")
            try:
                answer = client.recv(65536)
            except TimeoutError:
                continue
        client.settimeout(10)
        assert b"408" in answer
        assert b"" == client.recv(65536)

    assert GONE.wait(10)


def test_a_body_that_the_app_does_not_read_is_cut_off(port: int) -> None:
    answer = exchange(port, head(b"content-length: 100000", path=b"/unread"), b"a")

    assert 1 == answer.count(b"HTTP/1.1")
    assert b"401" in answer


async def reading(scope: Scope, receive: Receive, _: Send) -> None:
    await whole(Request(scope, receive))


async def hanging(_: Scope, __: Receive, ___: Send) -> None:
    await asyncio.Event().wait()


class Late(float):
    """The event loop is blocked until this time."""


PROMISE = head(b"content-length: 99999")
# bytes that arrive, or the time in seconds → what the server has sent by then
CONVERSATIONS: dict[str, tuple[ASGIApp, list[bytes | float], bytes]] = {
    "in time": (reading, [PROMISE, 29.0, b"a" * 16_000, 58.0, b"a" * 16_000, 89.0], b""),
    "too late": (reading, [PROMISE, 29.0, b"a" * 15_000, 31.0], b"408"),
    "after a good start": (reading, [PROMISE, b"a" * 30_000, 31.0, 61.0], b"408"),
    "nobody reads": (hanging, [PROMISE, b"a" * 70_000, 600.0], b""),
    "a response takes long": (hanging, [head(b"content-length: 0"), 600.0], b""),
    "half a head behind a pending response": (hanging, [head(b"content-length: 0"), b"GET", 600.0], b""),
    "a head in parts": (reading, [b"GET", 9.0, b" / ", 11.0], b"408"),
    "a blocked event loop during a head": (reading, [b"GET", 2.0, Late(60.0), 66.0], b""),
    "a blocked event loop and a slow client": (reading, [b"GET", 2.0, Late(60.0), 70.0], b"408"),
    "a blocked event loop during a body": (reading, [PROMISE, 2.0, Late(60.0), 85.0], b""),
}


@pytest.mark.parametrize(("app", "happens", "expected"), CONVERSATIONS.values(), ids=CONVERSATIONS)
async def test_timeouts_run_only_while_waiting_for_the_client(
    app: ASGIApp, happens: list[bytes | float], expected: bytes
) -> None:
    transport = Wire()
    refused: list[CompatError] = []
    async with connected(app, transport, refused=refused.append) as (protocol, loop):
        for what in happens:
            if isinstance(what, bytes):
                protocol.data_received(what)
                await asyncio.sleep(0)
            else:
                await loop.until(what, late=isinstance(what, Late))

    assert (expected in transport.written) if expected else not transport.written
    assert bool(expected) is bool(refused)


@pytest.mark.parametrize(
    ("sent", "seconds", "expected"),
    [
        (b"", KEEP_ALIVE - 1, b""),
        (b"", KEEP_ALIVE + 1, b"close"),
        (b"GET", 9.0, b""),
        (b"GET", 11.0, b"408"),
        (b"\r\n", 9.0, b""),
        (b"\r\n", 11.0, b"408"),
    ],
)
async def test_the_head_timeout_starts_at_the_first_byte_after_keep_alive(
    sent: bytes, seconds: float, expected: bytes
) -> None:
    """`sent`: the start of the next head, 100 s after the first response."""
    wire = Wire()
    async with connected(APP, wire) as (protocol, loop):
        protocol.data_received(head(b"content-length: 0"))
        await asyncio.gather(*protocol.tasks)
        answered, wire.written = wire.written, b""
        if sent:
            await loop.until(100.0)
            protocol.data_received(sent)
        await loop.until(loop.now + seconds)
        assert expected == (wire.written[9:12] or (b"close" if wire.closed else b""))

    assert b"HTTP/1.1 200 " in answered


async def test_a_request_that_is_cut_off_has_one_log_entry(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    upload = head(
        b"content-length: 99999", b"content-type: multipart/form-data; boundary=b", path=b"/v1/audio/translations"
    )
    app = create_app(Settings(dashscope_api_key="key", spool=tmp_path), insecure=True)
    transport, refused = Wire(), list[CompatError]()
    with caplog.at_level(logging.INFO, "compat.access"):
        async with connected(app, transport, refused=refused.append) as (protocol, loop):
            protocol.data_received(upload)
            await loop.until(31.0)
            await asyncio.gather(*protocol.tasks)

    [line] = [record.__dict__["fields"] for record in caplog.records if record.name == "compat.access"]
    assert (408, "request_timeout", "/v1/audio/translations") == (line["status"], line["error"], line["path"])
    assert f"x-request-id: {line['request_id']}\r\n".encode() in transport.written
    assert not refused  # the request's own log entry is counted
