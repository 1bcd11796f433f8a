"""Live clients, in real time.

Each session sends 100 ms frames (to this server 24 kHz, to the service the 16 kHz that the server makes of them) and
commits every two seconds; a latency is the time from a commit to its transcript, from the second turn on.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import time
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.load import percentile
from benchmarks.processes import Process

FRAME = 0.1  # seconds
TURN = 20  # frames
COMMIT = '{"type":"input_audio_buffer.commit"}'


class Target:
    """A target of live sessions. `rate` is that of the audio sent, in Hz."""

    def __init__(self, address: str, session: dict[str, Any], rate: int) -> None:
        self.address = address
        self.update = json.dumps({"type": "session.update", "session": session})
        sound = base64.b64encode(os.urandom(int(rate * FRAME) * 2)).decode()
        self.append = json.dumps({"type": "input_audio_buffer.append", "audio": sound})


def directly(port: int) -> Target:
    session = {"input_audio_format": "pcm", "sample_rate": 16000, "turn_detection": None}
    return Target(f"ws://127.0.0.1:{port}/api-ws/v1/realtime?model=qwen3-asr-flash-realtime", session, 16000)


def through(port: int) -> Target:
    session = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
    return Target(f"ws://127.0.0.1:{port}/v1/realtime?intent=transcription", session, 24000)


@dataclass(frozen=True)
class Held:
    """Latencies in ms, cores that the server used, and its memory at the end in MiB."""

    times: list[float]
    cores: float
    memory: float

    def at(self, share: int) -> float:
        return percentile(self.times, share)


async def held(target: Target, sessions: int, seconds: float, server: Process) -> Held:
    """Run sessions in parallel. The server's usage is measured in the middle, when all sessions are open."""
    calling = asyncio.ensure_future(load(target, sessions, seconds))
    await asyncio.sleep(_opening(sessions) + TURN * FRAME)
    used, started = server.seconds(), time.perf_counter()
    await asyncio.sleep(seconds - TURN * FRAME - 0.5)
    cores, memory = (server.seconds() - used) / (time.perf_counter() - started), server.memory()
    return Held(await calling, cores, memory)


async def load(target: Target, sessions: int, seconds: float) -> list[float]:
    frames = int(seconds / FRAME) // TURN * TURN
    begin = asyncio.get_running_loop().time() + _opening(sessions)
    # At random within one turn, because clients are independent. With equal distances that divide a frame, twenty of
    # 200 sessions would always send at the same moment.
    chance = random.Random(0)  # noqa: S311 - the same for all that is compared
    starts = sorted(begin + chance.random() * TURN * FRAME for _ in range(sessions))
    slots = asyncio.Semaphore(32)
    times = await asyncio.gather(*(_session(target, start, frames, slots) for start in starts))
    return [taken for each in times for taken in each[1:]]


def _opening(sessions: int) -> float:
    return 1 + sessions / 100


async def _session(target: Target, begin: float, frames: int, slots: asyncio.Semaphore) -> list[float]:
    """Return the milliseconds from each commit to its transcript."""
    options: dict[str, Any] = {"compression": None, "proxy": None, "ping_interval": None, "open_timeout": 60}
    async with slots:
        socket = await connect(target.address, additional_headers={"Authorization": "Bearer k"}, **options)
        await socket.send(target.update)
    async with socket:
        committed: list[float] = []
        hearing = asyncio.ensure_future(_hear(socket, committed, frames // TURN))
        loop = asyncio.get_running_loop()
        for number in range(1, frames + 1):
            await asyncio.sleep(begin + number * FRAME - loop.time())
            await socket.send(target.append)
            if number % TURN == 0:
                committed.append(time.perf_counter())
                await socket.send(COMMIT)
        return await hearing


async def _hear(socket: ClientConnection, committed: list[float], turns: int) -> list[float]:
    times: list[float] = []
    while len(times) < turns:
        event = await socket.recv(decode=False)
        assert b'"type":"error"' not in event, event
        if b"input_audio_transcription.completed" in event:
            times.append((time.perf_counter() - committed[len(times)]) * 1000)
    return times
