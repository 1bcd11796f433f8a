"""The limit on connections, and which idle connection is closed at the limit."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
import stamina
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from compat.server.connections import SPARE, YOUNG, Connections, ConnectionSlot, fitting
from tests.polling import settled
from tests.server.stage import Wire, connected
from tests.servers import serve


class Crowded:
    """Connections to a server that accepts `most`. `cut`: the numbers of those that it closed."""

    def __init__(self, most: int, spared: str = "") -> None:
        self.all = Connections(most, lambda host: host == spared)
        self.now = 0.0
        self.cut: list[int] = []
        self.slots: list[ConnectionSlot] = []

    def connect(self, host: str, *, busy: bool = False) -> ConnectionSlot:
        number = len(self.slots)
        self.slots.append(self.all.enter(host, lambda: self.cut.append(number), self.now))
        if busy:
            self.all.busy(self.slots[-1])
        return self.slots[-1]


def test_the_oldest_idle_connection_is_closed_after_a_second() -> None:
    crowd = Crowded(4)
    for host in "abcd":
        crowd.connect(host)
    crowd.all.busy(crowd.slots[0])
    crowd.now = YOUNG
    crowd.all.idle(crowd.slots[0], crowd.now)

    assert [False, False, False] == [crowd.connect(host).surplus for host in "efg"]
    assert [1, 2, 3] == crowd.cut
    assert crowd.connect("h").surplus  # the remaining ones have been idle for less than a second
    crowd.now = 2 * YOUNG
    assert not crowd.connect("i").surplus
    assert [1, 2, 3, 0] == crowd.cut


def test_one_address_gets_at_most_half_of_the_connections() -> None:
    crowd = Crowded(8)
    for _ in range(4):
        crowd.connect("2001:db8::1")
    crowd.now = YOUNG
    crowd.connect("b")
    assert not crowd.connect("2001:db8::2").surplus  # the same /64 network
    assert [0] == crowd.cut
    for slot in crowd.slots:
        crowd.all.busy(slot)

    assert crowd.connect("2001:db8::3").surplus
    assert [False] * 3 == [crowd.connect("c", busy=True).surplus for _ in range(3)]


def test_a_trusted_proxy_may_open_all_connections() -> None:
    crowd = Crowded(8, spared="proxy")

    assert [False] * 8 + [True] == [crowd.connect("proxy", busy=True).surplus for _ in range(9)]


def test_the_address_with_the_most_connections_loses_one() -> None:
    crowd = Crowded(6)
    for host in "abbbcd":
        crowd.connect(host)
    crowd.now = YOUNG
    crowd.connect("e")

    assert [1] == crowd.cut


def test_surplus_connections_are_bounded() -> None:
    crowd = Crowded(1)
    crowd.connect("a", busy=True)
    for number in range(100):
        crowd.connect(str(number), busy=number % 2 == 0)

    assert 1 + SPARE == len(crowd.all)
    assert 100 - SPARE == len(crowd.cut) == len({*crowd.cut})


def test_a_closed_connection_frees_its_slot() -> None:
    crowd = Crowded(2)
    slots = [crowd.connect(str(number), busy=number % 2 == 0) for number in range(10)]
    for slot in slots * 2:
        crowd.all.leave(slot)

    assert 0 == len(crowd.all)
    assert not crowd.all._count  # noqa: SLF001 - addresses without connections are removed
    assert not crowd.all._idle  # noqa: SLF001
    assert not crowd.connect("a").surplus


@pytest.mark.parametrize(
    ("most", "bounds", "fitted"),
    [(4096, (1000, 512), [1000, 512]), (480, (1000, 512), [317, 162]), (40, (10, 30), [10, 30]), (1, (9, 1), [1, 1])],
)
def test_limits_are_scaled_down_to_the_number_of_connections(
    most: int, bounds: tuple[int, ...], fitted: list[int]
) -> None:
    assert fitted == fitting(most, *bounds)


async def whole(request: Request) -> Response:
    return PlainTextResponse(await request.body())


async def live(socket: WebSocket) -> None:
    await socket.accept()
    await socket.receive()


APP = Starlette(
    routes=[Route("/", whole, methods=["GET", "POST"]), Route("/healthz", whole), WebSocketRoute("/live", live)]
)
UPGRADE = (
    b"GET /live HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
HOLDING = {
    "nothing": b"",
    "half a head": b"GET / HT",
    "half a body": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\na",
    "a session": UPGRADE,
}


def ask(port: int, path: bytes) -> tuple[int, str]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % path)
        client.settimeout(10)
        head, _, body = client.recv(65536).partition(b"\r\n\r\n")
    return int(head[9:12]), json.loads(body)["error"]["code"] if body else ""


@contextlib.contextmanager
def crowd(port: int, sent: bytes, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            with contextlib.suppress(ConnectionError):  # the server may have closed it already
                client.sendall(sent)
            clients.append(client)
        yield clients


async def test_a_connection_with_a_discarded_body_counts_as_idle() -> None:
    connections, wire = Connections(1), Wire()
    async with connected(APP, wire, connections) as (protocol, loop):
        protocol.data_received(HOLDING["half a body"].replace(b"/", b"/nowhere", 1))
        await settled()
        await loop.until(YOUNG)
        slot = connections.enter("b", lambda: None, loop.now)

    assert wire.written.startswith(b"HTTP/1.1 404 ")
    assert (False, True) == (slot.surplus, wire.aborted)


@pytest.mark.parametrize("sent", HOLDING.values(), ids=HOLDING)
def test_health_checks_are_answered_at_the_connection_limit(sent: bytes) -> None:
    connections = Connections(20)
    with serve(APP, connections=connections) as root:
        port = int(root.rpartition(":")[2])
        with crowd(port, sent, 120):
            for _ in range(5):
                assert (200, "") == ask(port, b"/healthz")
            open_at_most = len(connections)
            if sent in (HOLDING["half a body"], UPGRADE):  # the others count as idle and are closed
                assert (503, "overloaded") == ask(port, b"/")
        for attempt in stamina.retry_context(on=AssertionError, attempts=100, timeout=10, wait_max=0.1):
            with attempt:
                assert (200, "") == ask(port, b"/")

    assert open_at_most <= 20 + SPARE
    assert 0 == len(connections)


def test_the_connection_limit_follows_the_limit_of_open_files() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, {})); "
        "from compat.server.connections import room; print(room())"
    )
    rooms = [
        int(subprocess.run([sys.executable, "-c", code.format(hard)], capture_output=True, check=True).stdout)
        for hard in (200, 1024, 20_000)
    ]

    assert [68, 480, 4096] == rooms
