"""Faults of the live service during a session.

Each test checks what the client receives, how many connections were made to the service, that nothing is left behind,
and that the next session works.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx2
import pytest
import stamina
from websockets.exceptions import ConnectionClosed

from compat.emulator.faults import Answer, Fault, Hang, Live, Refuse, Rule
from compat.emulator.live_faults import Erring, Fail, LiveFault, Sever, Stall
from tests.endpoints.live import live_client, live_server, verdict
from tests.faults.watch import Left, figures, nothing_is_left
from tests.running import RunningServer
from tests.witnesses import free_port

TEXT = "hello there"
CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999)


def live(*troubles: LiveFault) -> Live:
    return Live(troubles)


# a fault that occurs once → the final text or error code, the close code, the number of connections to the service
FAULTS: list[tuple[Fault, str, int | None, int]] = [
    # at the upgrade
    (Refuse(500, "InternalError"), TEXT, None, 2),
    (Refuse(503, "ServiceUnavailable"), TEXT, None, 2),
    (Refuse(429, "Throttling.RateQuota"), TEXT, None, 2),
    (Refuse(429, "Throttling.RateQuota", retry_after=0.05), TEXT, None, 2),
    (Refuse(401, "InvalidApiKey"), "invalid_api_key", 1011, 1),
    (Refuse(403, "AccessDenied"), "permission_denied", 1011, 1),
    (Refuse(400, "Arrearage"), "insufficient_quota", 1011, 1),
    (Answer("<html>Bad gateway</html>", content_type="text/html"), TEXT, None, 2),
    (Answer("{}", status=302), TEXT, None, 2),
    (Hang(), TEXT, None, 2),
    # connections cut without a close frame
    *[(live(Sever(after, "events")), TEXT, None, 2) for after in (0, 1, 2)],
    *[(live(Sever(after)), TEXT, None, 2) for after in (1, 4)],
    # connections closed with a close frame
    *[(live(Sever(2, code=code)), TEXT, None, 2) for code in CODES],
    (live(Sever(0, "events", code=1007, reason="Model not found")), "model_not_found", 1011, 1),
    # error events
    (live(Erring(2)), TEXT, None, 2),
    (live(Erring(2, close=1011)), TEXT, None, 2),
    (live(Erring(2, kind="invalid_request_error", code="invalid_value")), TEXT, None, 1),
    (live(Fail()), "upstream_error", None, 1),
    # silence
    (live(Stall(2, seconds=0.5)), TEXT, None, 1),
    (live(Stall(2)), TEXT, None, 2),
]


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool")


@pytest.fixture(scope="module")
def patient(spool: Path) -> Iterator[RunningServer]:
    with live_server(TEXT, spool=spool) as opened:
        yield opened


@pytest.fixture(scope="module")
def hurried(spool: Path) -> Iterator[RunningServer]:
    with live_server(TEXT, spool=spool, connect_timeout=1.0) as opened:
        yield opened


@pytest.fixture
def server(request: pytest.FixtureRequest, fault: Fault) -> RunningServer:
    """A server with a long connect timeout, or a short one if the service is to hang."""
    opened: RunningServer = request.getfixturevalue("hurried" if isinstance(fault, Hang) else "patient")
    return opened


async def one_turn(server: RunningServer) -> tuple[str, int | None]:
    """Speak one turn. Return its text or the code of its error, and the close code if the server closed the session."""
    async with live_client(server) as client:
        ending = await client.outcome()
        if "error" not in ending:
            return verdict(ending), None
        with contextlib.suppress(ConnectionClosed):
            await client.send("input_audio_buffer.clear")
            await client.until(".cleared")
        closed = client.socket.protocol.close_rcvd
        return verdict(ending), closed.code if closed else None


def name(row: Any) -> str:  # noqa: ANN401 - any column
    if isinstance(row, Live):
        return "-".join(f"{type(trouble).__name__.lower()}" for trouble in row.troubles)
    return type(row).__name__.lower() if not isinstance(row, str | int | None) else str(row)


@pytest.mark.parametrize(("fault", "text", "closed", "connections"), FAULTS, ids=name)
async def test_a_fault_is_retried_or_reported_and_leaves_nothing_behind(
    server: RunningServer, spool: Path, fault: Fault, text: str, closed: int | None, connections: int
) -> None:
    before = figures(server.base_url)
    server.dashscope.counts.clear()
    server.fail(Rule("realtime", fault))

    assert (text, closed) == await one_turn(server)
    assert connections == server.dashscope.counts["realtime"]
    nothing_is_left(server.base_url, spool, before, server.service)
    for attempt in stamina.retry_context(on=Left, attempts=60, timeout=8, wait_max=0.2):
        with attempt:
            if server.dashscope.live.open:
                raise Left("a connection to the service")

    server.fail()
    assert (TEXT, None) == await one_turn(server)


Play = Literal["refused", "reset", "silence", "slow"] | bytes


class Wire:
    """Relays TCP to the service at `port`. The first connection has the fault `play`; bytes are a response."""

    def __init__(self, port: int, play: Play) -> None:
        self._service = port
        self._play: Play | None = play

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        play, self._play = self._play, None
        with contextlib.suppress(OSError):
            match play:
                case "reset":
                    writer.transport.abort()
                case "silence":
                    await reader.read(-1)
                case bytes():
                    await reader.read(1 << 16)
                    writer.write(play)
                    await writer.drain()
                case _:
                    await self._relay(reader, writer, 1 if play == "slow" else 1 << 16)
        writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, step: int) -> None:
        from_service, to_service = await asyncio.open_connection("127.0.0.1", self._service)
        await asyncio.gather(_pass(reader, to_service, 1 << 16), _pass(from_service, writer, step))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, step: int) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(step):
            writer.write(data)
            await writer.drain()
    writer.close()


HEAD = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
PLAYS: list[Play] = [
    "refused",
    "reset",
    "silence",
    "slow",
    b"",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    HEAD,
    HEAD + b"connection: upgrade\r\nsec-websocket-accept: wrong\r\n\r\n",
]


@pytest.mark.parametrize("play", PLAYS)
async def test_network_faults_are_retried(tmp_path: Path, play: Play) -> None:
    port = free_port()
    with live_server(TEXT, base_url=f"http://127.0.0.1:{port}", connect_timeout=0.5, spool=tmp_path) as server:
        before = figures(server.base_url)
        speaking = asyncio.ensure_future(one_turn(server))
        if play == "refused":
            async with asyncio.timeout(10):
                while not await asyncio.to_thread(refused, server):
                    pass
        wire = Wire(urlsplit(server.service).port or 0, play)
        async with await asyncio.start_server(wire.serve, "127.0.0.1", port):
            assert (TEXT, None) == await speaking
            await asyncio.to_thread(nothing_is_left, server.base_url, tmp_path, before)


def refused(server: RunningServer) -> bool:
    figures = httpx2.get(f"{server.base_url.removesuffix('/v1')}/metrics").text
    return 'compat_service_calls_total{outcome="service_unavailable",surface="realtime"}' in figures
