"""One call without a server: bad networks, hostile callers, and callers that have left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import SRTPProtectionProfile, generate_certificate
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from compat.webrtc import sdp, voice
from compat.webrtc.ice import PATHS
from compat.webrtc.peer import Certificate, Lost, Peer, fingerprint
from compat.webrtc.port import Port, bind
from tests.webrtc.caller import PACE, RATE, Caller, calling
from tests.webrtc.offers import CHROMIUM, FINGERPRINT
from tests.webrtc.relay import Relay
from tests.webrtc.test_stun import request

CERTIFICATE = Certificate()
BAD = {"delayed": 0.03, "doubled": 0.01}


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    opened = Port(bind("127.0.0.1", 0, tcp=True))
    await opened.open()
    yield opened
    await opened.close()


def answering(port: Port, offer: str, *, speaks: bool = False, **options: float) -> tuple[Peer, str]:
    """Return the peer of an offer, and the answer."""
    parsed = sdp.parse(offer)
    peer = Peer(parsed, CERTIFICATE.current(), speaks=speaks, **options)
    port.add(peer.agent)
    local = sdp.Local(
        session=1,
        fragment=peer.agent.fragment,
        password=peer.agent.password,
        fingerprint=fingerprint(CERTIFICATE.current()),
        candidates=[(protocol, ("127.0.0.1", port.number)) for protocol in port.protocols],
        voice=peer.source,
    )
    return peer, sdp.answer(parsed, local)


@contextlib.asynccontextmanager
async def call(
    port: Port,
    pcm: bytes,
    change: Callable[[str], str] = str,
    pace: float = PACE,
    *,
    speaks: bool = False,
    certificate: RTCCertificate | None = None,
    **options: float,
) -> AsyncIterator[tuple[Caller, Peer]]:
    """Connect a caller with a peer. `change` is applied to the answer. `pace`: times real time. `certificate` is the
    caller's, by default aiortc's."""
    peers: list[Peer] = []

    async def exchange(offer: str) -> str:
        peer, answer = answering(port, offer, speaks=speaks, **options)
        peers.append(peer)
        return change(answer)

    async with calling(pcm, exchange, pace, certificate) as caller:
        await peers[0].open()
        try:
            yield caller, peers[0]
        finally:
            await peers[0].close()
            port.remove(peers[0].agent)


@pytest.mark.parametrize(
    ("shares", "seconds"),
    [
        ({}, 10),
        ({"lost": 0.01, "delayed": 0.03, "doubled": 0.01}, 20),
        ({"lost": 0.05, "delayed": 0.03, "doubled": 0.01}, 60),
    ],
)
async def test_no_packet_that_arrives_is_dropped(port: Port, shares: dict[str, float], seconds: int) -> None:
    relay = Relay(port.number, seed=7, **shares)
    await relay.open()
    heard: list[bytes] = []
    async with call(port, bytes(2 * RATE * seconds), relay.instead) as (caller, peer):
        peer.listen(heard.append)
        await caller.microphone.played.wait()
        await asyncio.sleep(0)
        figures = peer.figures
    relay.close()
    assert figures["lost_packets"] <= relay.counts["lost"]
    assert figures["late_packets"] <= relay.counts["doubled"]
    waiting = 0.3 * PACE if any(shares.values()) else 0.0  # for a packet that may still come
    assert abs(len(b"".join(heard)) / 2 / RATE - seconds) < 0.06 + waiting


async def test_a_microphone_that_stops_becomes_silence(port: Port) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    async with call(port, bytes(2 * RATE)) as (caller, peer):
        peer.listen(heard.put_nowait)
        await caller.microphone.played.wait()
        caller.connection.getSenders()[0].replaceTrack(None)
        seconds = 0.0
        while seconds < 1.5:
            seconds += len(await heard.get()) / 2 / RATE


async def test_a_packet_with_another_key_is_dropped(port: Port) -> None:
    heard: list[bytes] = []
    async with call(port, bytes(2 * RATE)) as (caller, peer):
        peer.listen(heard.append)
        await caller.microphone.played.wait()
        before = len(b"".join(heard))
        for junk in (b"\x80\x6f" + bytes(40), b"\x80", b"\x80\x6f\xff\xff" + bytes(300)):
            peer.agent.take(junk, peer.agent._path)  # type: ignore[arg-type]  # noqa: SLF001 - it has one
        assert len(b"".join(heard)) == before
        assert not peer.closed


async def test_a_message_from_the_caller_comes_after_the_sound_before_it(port: Port) -> None:
    heard: list[bytes] = []
    async with call(port, bytes(2 * RATE)) as (caller, peer):
        peer.listen(heard.append)
        await caller.microphone.played.wait()
        caller.send("x")
        assert await peer.receive() == '{"type": "x"}'
        assert len(b"".join(heard)) >= 2 * RATE


@pytest.mark.parametrize("message", ["x" * 200_000, "", "é" * 1000])
async def test_messages_of_any_length_arrive_in_order(port: Port, message: str) -> None:
    async with call(port, b"") as (caller, peer):
        await caller.opened.wait()
        caller.send("begin", text=message)
        caller.send("end")
        assert json.loads(await peer.receive())["text"] == message
        assert await peer.receive() == '{"type": "end"}'


async def test_a_caller_that_reads_nothing_holds_the_next_message_back(port: Port) -> None:
    relay = Relay(port.number, seed=1)
    await relay.open()
    sent: list[str] = []

    async def pour(peer: Peer) -> None:
        while True:
            await peer.send(message := "x" * 1000)
            sent.append(message)

    async with call(port, b"", relay.instead) as (caller, peer):
        await caller.opened.wait()
        relay.deaf = True
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pour(peer), 0.5)
        assert 60 < len(sent) < 200
        await caller.connection.close()
    relay.close()


@pytest.mark.slow
async def test_a_caller_whose_network_loses_the_last_message_twice_gets_it(port: Port) -> None:
    relay = Relay(port.number, seed=1)
    await relay.open()
    async with call(port, b"", relay.instead) as (caller, peer):
        await caller.opened.wait()
        await peer.send('{"type": "session.created"}')
        await caller.until("created")
        relay.deaf = True
        asyncio.get_running_loop().call_later(2.5, setattr, relay, "deaf", False)
        await peer.send('{"type": "session.closed"}')
        await peer.close()
        async with asyncio.timeout(5):
            await caller.until("closed")
    relay.close()


async def test_a_caller_that_leaves_ends_the_call(port: Port) -> None:
    async with call(port, b"") as (caller, peer):
        await caller.connection.close()
        with pytest.raises(Lost):
            await peer.receive()


async def test_sctp_packets_to_a_caller_that_has_left_are_no_error(port: Port) -> None:
    """It sends in tasks of its own when its timers expire. asyncio would log their exceptions."""
    async with call(port, b"") as (caller, peer):
        await caller.connection.close()
        with pytest.raises(Lost):
            await peer.receive()
        await peer._dtls._send_data(b"again")  # noqa: SLF001 - the name by which SCTP calls it


async def test_nothing_is_sent_to_a_caller_that_has_left(port: Port) -> None:
    async with call(port, b"", speaks=True) as (caller, peer):
        peer.play(bytes(2 * voice.RATE * voice.MOST))
        await caller.connection.close()
        with pytest.raises(Lost):
            await peer.receive()
        async with asyncio.timeout(voice.MOST / 2):
            await peer.played()


async def test_a_caller_that_is_killed_is_noticed(port: Port) -> None:
    relay = Relay(port.number, seed=1)
    await relay.open()
    async with call(port, b"", relay.instead, alive=0.3) as (_, peer):
        relay.close()
        with pytest.raises(Lost):
            await peer.receive()


class RsaCertificate(RTCCertificate):
    """That of a caller like GStreamer, or of a page that calls `generateCertificate` for RSA."""

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256")
        return context


async def test_a_caller_with_an_rsa_certificate_is_connected(port: Port) -> None:
    key: Any = rsa.generate_private_key(65537, 2048)
    async with call(port, b"", certificate=RsaCertificate(key, generate_certificate(key))) as (caller, peer):
        await caller.opened.wait()
        await peer.send('{"type": "hello"}')
        assert [event["type"] for event in await caller.until("hello")] == ["hello"]


async def test_a_call_that_is_never_connected_ends(port: Port) -> None:
    peer, _ = answering(port, CHROMIUM, connecting=0.1)
    with pytest.raises(Lost):
        await peer.open()
    await peer.close()


async def test_a_caller_with_another_certificate_is_refused(port: Port) -> None:
    peers = []

    async def exchange(offer: str) -> str:
        offered = [line for line in offer.split("\r\n") if not line.startswith("a=fingerprint")]
        wrong = f"a=fingerprint:sha-256 {FINGERPRINT}\r\na=setup"
        peer, answer = answering(port, "\r\n".join(offered).replace("a=setup", wrong))
        peers.append(peer)
        return answer

    async with calling(b"", exchange):
        with pytest.raises(Lost):
            await peers[0].open()
    await peers[0].close()


def credentials(peer: Peer, *, nominated: bool = True, **changes: str) -> bytes:
    """Return a check of the caller in tests.webrtc.offers, with changes."""
    right = {"local": peer.agent.fragment, "remote": "Ab+1", "password": peer.agent.password} | changes
    user = f"{right['local']}:{right['remote']}"
    return request(nominated=nominated, password=right["password"], USERNAME=user)


HOSTILE: dict[str, Callable[[Peer], bytes]] = {
    "noise": lambda _: bytes(range(256)),
    "nothing": lambda _: b"",
    "DTLS": lambda _: b"\x16\xfe\xff" + bytes(60),
    "media": lambda _: b"\x80\x6f" + bytes(40),
    "another call": lambda peer: credentials(peer, local="unknown"),
    "another caller": lambda peer: credentials(peer, remote="unknown"),
    "another password": lambda peer: credentials(peer, password="guess"),
    "cut": lambda peer: credentials(peer)[:-4],
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
async def test_a_datagram_without_the_credentials_gets_no_answer(port: Port, hostile: Callable[[Peer], bytes]) -> None:
    peer, _ = answering(port, CHROMIUM)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.setblocking(False)
        caller.connect(("127.0.0.1", port.number))
        await loop.sock_sendall(caller, hostile(peer))
        await loop.sock_sendall(caller, credentials(peer))
        first = await loop.sock_recv(caller, 2000)  # the answers come in order
        assert first[:2] == b"\x01\x01"
        assert len(first) <= len(credentials(peer))
        assert peer.agent.found.is_set()
    port.remove(peer.agent)


async def test_a_caller_whose_address_changes_gets_the_rest_at_the_new_one(port: Port) -> None:
    """Its NAT has given it another port: it sends from there, and its checks do not choose the path again."""
    peer, _ = answering(port, CHROMIUM)
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        before, after = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)]

        async def checked(caller: socket.socket, *, nominated: bool) -> None:
            await loop.sock_sendall(caller, credentials(peer, nominated=nominated))
            assert (await loop.sock_recv(caller, 2000))[:2] == b"\x01\x01"

        for caller in (before, after):
            caller.setblocking(False)
            caller.connect(("127.0.0.1", port.number))
            await checked(caller, nominated=caller is before)
            peer.agent.send(b"voice")
            assert await loop.sock_recv(before, 2000) == b"voice"  # a check alone may be that of a spare path
        await loop.sock_sendall(after, b"\x16\xfe\xff" + bytes(60))
        await checked(after, nominated=False)
        peer.agent.send(b"voice")
        async with asyncio.timeout(5):
            assert await loop.sock_recv(after, 2000) == b"voice"
    port.remove(peer.agent)


async def test_a_caller_with_very_many_addresses_is_known_by_the_last(port: Port) -> None:
    peer, _ = answering(port, CHROMIUM)
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(3 * PATHS)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect(("127.0.0.1", port.number))
            await loop.sock_sendall(caller, credentials(peer))
            assert (await loop.sock_recv(caller, 2000))[:2] == b"\x01\x01"
    (datagrams,) = port._datagrams  # noqa: SLF001 - nothing else tells
    assert len(datagrams._paths) <= port.most_paths  # noqa: SLF001
    port.remove(peer.agent)


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
async def test_a_tcp_connection_without_the_credentials_is_closed(port: Port, hostile: Callable[[Peer], bytes]) -> None:
    peer, _ = answering(port, CHROMIUM)
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
    data = hostile(peer)
    writer.write(struct.pack("!H", len(data)) + data)
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    assert not peer.agent.found.is_set()
    port.remove(peer.agent)


async def test_a_tcp_connection_ends_with_its_call(port: Port) -> None:
    peer, _ = answering(port, CHROMIUM)
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
    check = credentials(peer)
    framed = struct.pack("!H", len(check)) + check
    for piece in (framed[:1], framed[1:5], framed[5:]):
        writer.write(piece)
        await writer.drain()
    length = int.from_bytes(await reader.readexactly(2))
    assert (await reader.readexactly(length))[:2] == b"\x01\x01"
    port.remove(peer.agent)
    assert await reader.read() == b""
    writer.close()


def test_a_free_port_is_free_for_udp_and_tcp() -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            udp, tcp = bind("127.0.0.1", 0, tcp=True)
            stack.enter_context(contextlib.closing(udp))
            stack.enter_context(contextlib.closing(tcp))
            assert udp.getsockname() == tcp.getsockname()


def test_a_port_that_is_taken_for_tcp_is_refused_without_a_socket_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", taken.getsockname()[1], tcp=True)
