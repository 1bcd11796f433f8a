"""The connections of DirectTransport: which are kept, used again and closed, and how they are opened."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from pathlib import Path

import httpx2
import pytest

from tests.tls import certificate
from tests.upstream.direct.peers import LONG, OK, Transport, answering, client, end, peer, received


async def test_a_response_that_is_closed_early_closes_its_connection() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await received(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n{" % LONG)
        await end(reader)

    async with peer(endless, answering(OK)) as service, client() as http:
        async with http.stream("GET", service.url) as response:
            assert 200 == response.status_code
        await service.tasks[0]
        assert b"{}" == (await http.get(service.url)).content


async def test_a_connection_that_was_closed_while_the_loop_was_blocked_is_not_used() -> None:
    """The peer has closed an idle connection, and the event loop has not noticed yet. A request that was written to it
    would be lost."""
    served, closed = [], threading.Event()

    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                served.append(connection.recv(1 << 16)[:4])
                connection.sendall(OK)
            closed.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        async with client() as http:
            for _ in range(2):
                closed.clear()
                address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
                assert b"{}" == (await http.post(address, content=b"x")).content
                assert closed.wait(10)  # blocks the loop
        thread.join()
    assert [b"POST", b"POST"] == served


async def test_idle_connections_are_closed_after_a_time() -> None:
    async with peer(answering(OK)) as service, client(expiry=0.05) as http:
        for connections in (1, 2):
            await http.get(service.url)
            assert connections == service.connections
            await service.tasks[-1]


async def test_only_so_many_idle_connections_are_kept() -> None:
    everybody, closed = asyncio.Barrier(3), asyncio.Queue[None]()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await received(reader):
            await everybody.wait()
            writer.write(OK)
        closed.put_nowait(None)

    async with peer(handle) as service, client(keepalive=1) as http:
        await asyncio.gather(*[http.get(service.url) for _ in range(3)])
        await closed.get()
        await closed.get()
        assert closed.empty()


async def test_closing_the_client_closes_its_connections() -> None:
    async with peer(answering(OK)) as service:
        async with client() as http:
            await http.get(service.url)
        await asyncio.gather(*service.tasks)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"))


async def test_tls(pem: tuple[Path, Path]) -> None:
    """The certificate is for localhost and 127.0.0.1, by an authority that only the first client knows."""
    cert, key = pem
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    own = ssl.create_default_context(cafile=str(cert))
    async with peer(answering(OK), tls=context) as service, client(verify=own) as http, client() as stranger:
        for _ in range(2):
            response = await http.post(service.url, content=b"x" * (1 << 20))
            assert b"{}" == response.content
        assert b"{}" == (await http.get(service.url.replace("127.0.0.1", "localhost"))).content
        assert 2 == service.connections

        for other, host in ((http, "127.1"), (stranger, "127.0.0.1")):  # the same address under another name
            with pytest.raises(httpx2.ConnectError, match="certificate"):
                await other.get(service.url.replace("127.0.0.1", host))


async def test_a_unix_socket(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(OK)(reader, writer)
        writer.close()

    path = str(tmp_path / "s")
    transport = Transport(ssl.create_default_context(), keepalive=1, expiry=60, uds=path)
    async with await asyncio.start_unix_server(handle, path), httpx2.AsyncClient(transport=transport) as http:
        assert b"{}" == (await http.get("http://localhost/")).content


ADDRESSES: list[tuple[str, type[httpx2.HTTPError]]] = [
    ("http://127.0.0.1:9/", httpx2.ConnectError),
    ("http://[::1]:9/", httpx2.ConnectError),
    ("http://nothing.invalid/", httpx2.ConnectError),
    (f"http://{'a' * 64}.example/", httpx2.ConnectError),
    ("ftp://127.0.0.1/", httpx2.UnsupportedProtocol),
]


@pytest.mark.parametrize(("url", "error"), ADDRESSES)
async def test_an_address_that_cannot_be_reached(url: str, error: type[httpx2.HTTPError]) -> None:
    async with client() as http:
        with pytest.raises(error):
            await http.get(url)
