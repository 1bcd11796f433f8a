"""Live clients by WebRTC, in real time: each sends packets of Opus that were encoded before."""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import httpx2
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from av import AudioFrame, CodecContext, Packet

from benchmarks.findings import Table
from benchmarks.processes import Process, free_port, ours, stub
from benchmarks.sessions import COMMIT, FRAME, TURN, held, load, through
from benchmarks.sounds import speech

RATE = 48_000
MANUAL = json.dumps({"type": "transcription", "audio": {"input": {"turn_detection": None}}})
TRANSLATING = json.dumps({"model": "gpt-realtime-translate"})
KINDS: dict[
    str, tuple[int, str, bool]
] = {  # ms of a packet, path, and whether the caller takes the voice of a translation
    "WebRTC, 20 ms": (20, "", False),
    "WebRTC, 60 ms": (60, "", False),
    "translated, 20 ms": (20, "/translations", False),
    "translated, 20 ms, with a voice": (20, "/translations", True),
}


class Encoded(MediaStreamTrack):
    """A microphone whose packets of `ms` are repeated."""

    kind = "audio"

    def __init__(self, packets: list[bytes], ms: int) -> None:
        super().__init__()
        self._packets = itertools.cycle(packets)
        self._samples = RATE * ms // 1000
        self._at = 0
        self._begun: float | None = None

    async def recv(self) -> Packet[Any]:
        loop = asyncio.get_running_loop()
        self._begun = self._begun or loop.time()
        await asyncio.sleep(self._begun + self._at / RATE - loop.time())
        packet = Packet(next(self._packets))
        packet.pts, packet.time_base = self._at, Fraction(1, RATE)
        self._at += self._samples
        return packet


def encoded(ms: int) -> list[bytes]:
    """Return two seconds of speech as packets of this length."""
    codec = CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = RATE, "mono", "s16"
    codec.options = {"application": "voip", "frame_duration": str(ms)}
    codec.open()
    samples, sound = RATE * ms // 1000, speech(2, RATE)[44:]
    packets: list[bytes] = []
    for at in range(0, len(sound) - 2 * samples + 1, 2 * samples):
        frame = AudioFrame("s16", "mono", samples)
        frame.planes[0].update(sound[at : at + 2 * samples])
        frame.sample_rate, frame.pts = RATE, at // 2
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets


class Caller:
    """A connection of one call with its data channel."""

    def __init__(self) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.channel = self.connection.createDataChannel("oai-events")

    async def commit(self) -> None:
        """End a turn every two seconds."""
        while True:
            await asyncio.sleep(TURN * FRAME)
            self.channel.send(COMMIT)


@dataclass(frozen=True)
class Calling:
    """Cores that the server used, its memory in MiB for all calls, and the ms from an offer to the open channel."""

    cores: float
    memory: float
    connecting: list[float]


async def calling(server: Process, calls: int, seconds: float, kind: str) -> Calling:
    """Hold calls of one of KINDS. The server's usage is measured while all are open."""
    packets = encoded(KINDS[kind][0])
    idle = server.memory()
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        callers = [Caller() for _ in range(calls)]
        connecting = [await _connected(client, caller, packets, kind) for caller in callers]
        committing = [asyncio.create_task(caller.commit()) for caller in callers if not KINDS[kind][1]]
        used, started = server.seconds(), time.perf_counter()
        await asyncio.sleep(seconds)
        cores = (server.seconds() - used) / (time.perf_counter() - started)
        memory = server.memory() - idle
        for task in committing:
            task.cancel()
        await asyncio.gather(*(caller.connection.close() for caller in callers))
    return Calling(cores, memory, connecting)


async def _connected(client: httpx2.AsyncClient, caller: Caller, packets: list[bytes], kind: str) -> float:
    """Return the ms until the call is open."""
    ms, path, hears = KINDS[kind]
    opened, connection = asyncio.Event(), caller.connection
    connection.addTrack(Encoded(packets, ms))
    caller.channel.on("open", opened.set)
    await connection.setLocalDescription(await connection.createOffer())
    started = time.perf_counter()
    offer = connection.localDescription.sdp.replace("a=sendrecv", "a=sendrecv" if hears else "a=sendonly")
    form = {"sdp": (None, offer), "session": (None, TRANSLATING if path else MANUAL)}
    answer = await client.post(f"/v1/realtime{path}/calls", files=form, headers={"authorization": "Bearer k"})
    await connection.setRemoteDescription(RTCSessionDescription(answer.raise_for_status().text, "answer"))
    await opened.wait()
    return (time.perf_counter() - started) * 1000


async def compared(calls: int, seconds: float) -> Table:
    """Compare calls with sessions over WebSocket, one after the other on the same server."""
    port = str(free_port())
    with stub("live") as service, ours(service.port, COMPAT_WEBRTC_PORT=port) as server:
        await load(through(server.port), 10, 4)
        for kind in KINDS:
            await calling(server, 3, 2, kind)
        lines = []
        idle = server.memory()
        session = await held(through(server.port), calls, seconds, server)
        a_core = calls / session.cores
        kib = (session.memory - idle) * 1024 / calls
        lines.append(["WebSocket, 100 ms", f"{session.cores:.2f}", f"{a_core:.0f}", "1.00", f"{kib:.0f}", ""])
        for kind in KINDS:
            each = await calling(server, calls, seconds, kind)
            share = calls / each.cores / a_core
            memory, connecting = f"{each.memory * 1024 / calls:.0f}", f"{statistics.median(each.connecting):.0f}"
            cells = [f"{each.cores:.2f}", f"{calls / each.cores:.0f}", f"{share:.2f}", memory, connecting]
            lines.append([kind, *cells])
    head = ("calls", "cores", "a core", "of WebSocket's", "KiB each", "ms to connect")
    return Table(f"{calls} live sessions over WebSocket and as calls by WebRTC", head, lines)
