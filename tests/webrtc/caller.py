"""A caller by WebRTC: aiortc's peer connection, whose microphone plays PCM faster than real time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from fractions import Fraction
from typing import Any

import numpy as np
from aiortc import RTCCertificate, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from av import AudioFrame

RATE = 48_000
FRAME = RATE // 50  # samples
PACE = 5  # times faster than real time

Exchange = Callable[[str], Awaitable[str]]
"""Sends an offer and returns the answer."""


class Microphone(MediaStreamTrack):
    """Plays mono s16le at 48 kHz, then silence."""

    kind = "audio"

    def __init__(self, pcm: bytes, pace: float = PACE) -> None:
        super().__init__()
        self._pcm = pcm
        self._pace = pace
        self._at = 0
        self._begun: float | None = None
        self.played = asyncio.Event()

    @property
    def position(self) -> float:
        """Seconds played so far."""
        return self._at / RATE

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        self._begun = self._begun or loop.time()
        await asyncio.sleep(self._begun + self._at / RATE / self._pace - loop.time())
        piece = self._pcm[2 * self._at : 2 * (self._at + FRAME)]
        if not piece:
            self.played.set()
        samples = np.frombuffer(piece.ljust(2 * FRAME, b"\0"), np.int16).reshape(1, -1)
        frame = AudioFrame.from_ndarray(samples, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._at, Fraction(1, RATE)
        self._at += FRAME
        return frame


class Caller:
    """A connected call. `events` are those received so far."""

    def __init__(self, connection: RTCPeerConnection, microphone: Microphone) -> None:
        self.connection = connection
        self.microphone = microphone
        self.channel = connection.createDataChannel("oai-events")
        self.opened, self.closed = asyncio.Event(), asyncio.Event()
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.channel.on("message", lambda text: self._events.put_nowait(json.loads(text)))
        self.channel.on("open", self.opened.set)
        self.channel.on("close", self.closed.set)

    def send(self, kind: str, **fields: object) -> None:
        self.channel.send(json.dumps({"type": kind, **fields}))

    async def until(self, ending: str) -> list[dict[str, Any]]:
        """Return all events up to the first whose type ends with `ending`."""
        events = [await self._events.get()]
        while not events[-1]["type"].endswith(ending):
            events.append(await self._events.get())
        return events

    async def transcripts(self, count: int) -> list[str]:
        return [(await self.until(".completed"))[-1]["transcript"] for _ in range(count)]


@contextlib.asynccontextmanager
async def calling(
    pcm: bytes, exchange: Exchange, pace: float = PACE, certificate: RTCCertificate | None = None
) -> AsyncIterator[Caller]:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    if certificate is not None:
        vars(connection)["_RTCPeerConnection__certificates"] = [certificate]  # aiortc has no argument for it
    microphone = Microphone(pcm, pace)
    try:
        connection.addTrack(microphone)
        caller = Caller(connection, microphone)
        await connection.setLocalDescription(await connection.createOffer())
        answer = await exchange(connection.localDescription.sdp)
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        yield caller
    finally:
        await connection.close()
