"""The WebSocket client of DashScope against a real server, with correct and faulty behaviour."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import websockets.exceptions as foreign
from websockets.asyncio.server import ServerConnection, serve, unix_serve
from websockets.datastructures import Headers
from websockets.frames import Close
from websockets.http11 import Request, Response

from compat.config.principal import Principal
from compat.errors import (
    ClosedNormally,
    CompatError,
    Forbidden,
    ModelNotFound,
    NotAuthenticated,
    RateLimited,
    ServiceFailed,
    ServiceTimedOut,
    ServiceUnavailable,
)
from compat.upstream.sockets import Sockets, translated

Handler = Callable[[ServerConnection], Awaitable[None]]
Refusal = Callable[[ServerConnection, Request], Response | None]


@contextlib.asynccontextmanager
async def service(handler: Handler, refusal: Refusal | None = None, alive: float = 30.0) -> AsyncIterator[Sockets]:
    async with serve(handler, "127.0.0.1", 0, process_request=refusal) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield Sockets(f"ws://127.0.0.1:{port}", connect_timeout=5, alive=alive)


async def echo(connection: ServerConnection) -> None:
    async for frame in connection:
        await connection.send(frame)


async def test_frames_are_sent_and_received() -> None:
    requests: list[Request] = []

    def seen(_: ServerConnection, request: Request) -> None:
        requests.append(request)

    async with service(echo, seen) as sockets:
        connection = await sockets.open("qwen3-asr-flash-realtime", Principal("sk-1"))
        await connection.send("text")
        await connection.send(b"binary")
        assert ["text", b"binary"] == [await anext(connection), await anext(connection)]
        await connection.ping()
        await connection.close()

    [request] = requests
    assert "/api-ws/v1/realtime?model=qwen3-asr-flash-realtime" == request.path
    assert "Bearer sk-1" == request.headers["authorization"]
    assert "sec-websocket-extensions" not in request.headers


async def test_a_unix_socket_can_be_used_instead_of_the_network(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    async with await unix_serve(echo, path):
        connection = await Sockets("ws://localhost", connect_timeout=5, socket=path).open("m", Principal("k"))
        await connection.send("text")
        assert "text" == await anext(connection)
        await connection.close()


async def test_frames_are_written_at_once_and_in_order() -> None:
    async with service(echo) as sockets:
        connection = await sockets.open("m", Principal("k"))
        assert connection.write("text")
        await connection.send("sent")
        assert connection.write(b"binary")
        await connection.drained()
        assert ["text", "sent", b"binary"] == [await anext(connection) for _ in range(3)]
        await connection.close()
        assert not connection.write("too late")


async def test_write_returns_false_while_the_service_does_not_read() -> None:
    reads = asyncio.Event()

    async def busy(connection: ServerConnection) -> None:
        await reads.wait()
        await echo(connection)

    block = bytes(1 << 16)
    async with service(busy) as sockets:
        connection = await sockets.open("m", Principal("k"))
        written = sum(1 for _ in range(1000) if connection.write(block))
        assert connection.full
        reads.set()
        assert [block] * written == [await anext(connection) for _ in range(written)]
        await connection.drained()
        assert connection.write("again")
        assert "again" == await anext(connection)
        await connection.close()


async def test_the_name_of_the_model_is_escaped_in_the_address() -> None:
    requests: list[Request] = []

    def seen(_: ServerConnection, request: Request) -> None:
        requests.append(request)

    async with service(echo, seen) as sockets:
        await (await sockets.open("a&b=/?c#d", Principal("k"))).close()

    assert "/api-ws/v1/realtime?model=a%26b%3D%2F%3Fc%23d" == requests[0].path


REFUSALS: list[tuple[int, bytes, type[CompatError]]] = [
    (401, b'{"code":"InvalidApiKey","message":"Invalid API-key provided.","request_id":"r"}', NotAuthenticated),
    (403, b'{"code":"AccessDenied","message":"Access denied."}', Forbidden),
    (429, b'{"code":"Throttling.RateQuota","message":"slow down"}', RateLimited),
    (400, b'{"code":"ASR_RESPONSE_HAVE_NO_WORDS"}', ServiceFailed),
    (500, b"oops", ServiceFailed),
    (503, b"", ServiceUnavailable),
]


@pytest.mark.parametrize(("status", "body", "error"), REFUSALS)
async def test_a_refused_upgrade_raises_the_error_of_its_status_and_code(
    status: int, body: bytes, error: type[CompatError]
) -> None:
    def refuse(_: ServerConnection, __: Request) -> Response:
        return Response(status, "No", Headers({"content-length": str(len(body)), "connection": "close"}), body)

    async with service(echo, refuse) as sockets:
        with pytest.raises(CompatError) as raised:
            await sockets.open("m", Principal("k"))

    assert error is type(raised.value)
    assert isinstance(raised.value.__cause__, foreign.InvalidStatus)


async def test_a_redirect_is_not_followed_so_the_key_stays_with_the_service() -> None:
    requests: list[Request] = []
    async with serve(echo, "127.0.0.1", 0, process_request=lambda _, request: requests.append(request)) as other:
        port = next(iter(other.sockets)).getsockname()[1]

        def redirect(_: ServerConnection, __: Request) -> Response:
            return Response(307, "Moved", Headers({"location": f"ws://localhost:{port}/", "content-length": "0"}))

        async with service(echo, redirect) as sockets:
            with pytest.raises(ServiceFailed):
                await sockets.open("m", Principal("k"))

    assert [] == requests


async def test_a_service_without_tls_is_unavailable_over_tls() -> None:
    async with service(echo) as plain:
        sockets = Sockets(plain._root.replace("ws:", "wss:"), connect_timeout=5)  # noqa: SLF001 - its address
        with pytest.raises(ServiceUnavailable):
            await sockets.open("m", Principal("k"))


CLOSES: list[tuple[int, str, type[CompatError], bool]] = [
    (1000, "", ClosedNormally, True),
    (1001, "going", ServiceUnavailable, True),
    (1007, "Model not found", ModelNotFound, False),
    (1007, "Invalid payload data", ServiceUnavailable, True),
    (1011, "oops", ServiceUnavailable, True),
]


@pytest.mark.parametrize(("code", "reason", "error", "retryable"), CLOSES)
async def test_the_end_of_a_connection_is_always_raised(
    code: int, reason: str, error: type[CompatError], retryable: bool
) -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.send("last words")
        await connection.close(code, reason)

    async with service(close) as sockets:
        connection = await sockets.open("m", Principal("k"))
        assert "last words" == await anext(connection)
        with pytest.raises(CompatError) as raised:
            await anext(connection)
        with pytest.raises(error):
            await connection.send("too late")
        with pytest.raises(error):
            await connection.ping()
        await connection.close()

    assert (error, retryable) == (type(raised.value), raised.value.retryable)


async def test_a_connection_without_frames_and_pongs_is_lost() -> None:
    async def mute(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await connection.wait_closed()

    async with service(mute, alive=0.3) as sockets:
        connection = await sockets.open("m", Principal("k"))
        with pytest.raises(ServiceUnavailable):
            await anext(connection)
        await connection.close()


async def test_frames_keep_a_connection_alive_without_pongs() -> None:
    async def slow(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        for count in range(30):
            await connection.send(str(count))
            await asyncio.sleep(0.1)
        connection.transport.resume_reading()
        await connection.wait_closed()

    async with service(slow, alive=2.0) as sockets:
        connection = await sockets.open("m", Principal("k"))
        assert [str(count) for count in range(30)] == [await anext(connection) for _ in range(30)]
        await connection.ping()
        await connection.close()


async def test_a_connection_cut_without_a_close_frame_is_service_unavailable() -> None:
    async def cut(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with service(cut) as sockets:
        connection = await sockets.open("m", Principal("k"))
        with pytest.raises(ServiceUnavailable, match="1006"):
            await anext(connection)


async def test_a_refused_connection_is_service_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(ServiceUnavailable, match="ConnectionRefusedError"):
        await Sockets(f"ws://127.0.0.1:{port}", connect_timeout=5).open("m", Principal("k"))


async def test_a_handshake_without_response_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ServiceTimedOut):
            await Sockets(f"ws://127.0.0.1:{port}", connect_timeout=0.05).open("m", Principal("k"))


async def test_a_server_that_does_not_speak_http_is_unavailable() -> None:
    async def garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(garbage, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ServiceUnavailable):
            await Sockets(f"ws://127.0.0.1:{port}", connect_timeout=5).open("m", Principal("k"))


ARGUMENTS: dict[str, tuple[object, ...]] = {
    "ConnectionClosed": (None, None),
    "ConnectionClosedOK": (Close(1000, ""), Close(1000, ""), True),
    "ConnectionClosedError": (None, Close(1009, "")),
    "InvalidURI": ("ws://secret-address", "no"),
    "InvalidProxy": ("http://secret-address", "no"),
    "InvalidProxyStatus": (Response(407, "", Headers()),),
    "InvalidStatus": (Response(418, "", Headers()),),
    "InvalidHeader": ("name",),
    "InvalidHeaderFormat": ("name", "error", "header", 0),
    "InvalidHeaderValue": ("name", "value"),
    "InvalidOrigin": ("origin",),
    "InvalidUpgrade": ("name", "value"),
    "InvalidMethod": ("POST",),  # since websockets 16
    "InvalidProtocol": ("HTTP/1.0",),
    "TooManyFragments": (1,),
    "DuplicateParameter": ("name",),
    "InvalidParameterName": ("name",),
    "InvalidParameterValue": ("name", "value"),
    "PayloadTooBig": (10, 5),
}


@pytest.mark.parametrize("name", foreign.__all__)
def test_every_exception_of_the_client_is_translated(name: str) -> None:
    exc = getattr(foreign, name)(*ARGUMENTS.get(name, ()))

    error = translated(exc)

    assert type(error) is not CompatError
    assert "secret-address" not in error.message
    assert "DashScope's" not in translated(exc, "the local engine").message


@pytest.mark.parametrize(
    ("exc", "error"),
    [
        (TimeoutError(), ServiceTimedOut),
        (OSError("no route to ws://secret-address"), ServiceUnavailable),
        (socket.gaierror(-2, "Name or service not known"), ServiceUnavailable),
        (EOFError(), ServiceUnavailable),
    ],
)
def test_exceptions_of_the_system_are_translated(exc: OSError | EOFError, error: type[CompatError]) -> None:
    assert error is type(translated(exc))
    assert "secret-address" not in translated(exc).message
