"""Proxies that the environment names are used as by httpx2; hosts in NO_PROXY are called directly."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from compat.config.principal import Principal
from compat.dashscope_api.calls import json_call
from compat.upstream.http import Service
from tests.tls import certificate
from tests.upstream.direct.peers import OK, answering, peer, received

CALL = json_call("/api", {"a": 1})


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


async def reply(root: str) -> bytes:
    service = Service(root, connect_timeout=5, answer_timeout=5, attempts=1)
    try:
        return (await service.send(CALL, Principal("k"))).body
    finally:
        await service.close()


class Recorder:
    """Answers requests, and keeps their first lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await received(reader):
            self.lines.append(request.partition(b"\r\n")[0])
            writer.write(OK)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
async def test_a_proxy(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = Recorder()
    async with peer(handler) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        assert b"{}" == await reply("http://service.invalid")
    assert [b"POST http://service.invalid/api HTTP/1.1"] == handler.lines


async def test_a_host_without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler = Recorder()
    async with peer(handler) as service:
        assert b"{}" == await reply(service.url)
    assert [b"POST /api HTTP/1.1"] == handler.lines


async def test_tls_through_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cert, key = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    tunnels: list[bytes] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tunnels.append((await received(reader)).partition(b"\r\n")[0])
        to_service, from_proxy = await asyncio.open_connection("127.0.0.1", urlsplit(service.url).port)
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.gather(_copied(reader, from_proxy), _copied(to_service, writer))

    async with peer(answering(OK), tls=context) as service, peer(tunnel) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        assert b"{}" == await reply(service.url)
        assert b"{}" == await reply(service.url.replace("127.0.0.1", "localhost"))
    assert 2 == len(tunnels)
    assert tunnels[1].startswith(b"CONNECT localhost:")


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while some := await reader.read(1 << 16):
            writer.write(some)
    writer.close()
