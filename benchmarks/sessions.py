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
from typing import Any, Literal

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.load import percentile
from benchmarks.processes import Process

FRAME = 0.1  # seconds
TURN = 20  # frames
Protocol = Literal["realtime", "run-task"]
MODELS: dict[Protocol, str] = {"realtime": "qwen3-asr-flash-realtime", "run-task": "fun-asr-realtime"}
COMMIT = '{"type":"input_audio_buffer.commit"}'


@dataclass(frozen=True)
class Target:
    """A target of live sessions: the frames that begin a session, with a frame of audio and that end a turn. A frame
    with `result` in it has the transcript of a turn."""

    address: str
    begin: str
    append: str | bytes
    end: tuple[str, ...]
    result: bytes = b"input_audio_transcription.completed"


def directly(port: int, protocol: Protocol = "realtime") -> Target:
    address, sound = f"ws://127.0.0.1:{port}/api-ws/v1", _sound(16000)
    if protocol == "realtime":
        session = {"input_audio_format": "pcm", "sample_rate": 16000, "turn_detection": None}
        begin = json.dumps({"type": "session.update", "session": session})
        return Target(f"{address}/realtime?model={MODELS[protocol]}", begin, _append(sound), (COMMIT,))
    run = _action("run-task", {"model": MODELS[protocol], "parameters": {"format": "pcm", "sample_rate": 16000}})
    end = (_action("finish-task", {}), run)
    return Target(f"{address}/inference", run, sound, end, b'"result-generated"')


def through(port: int, protocol: Protocol = "realtime") -> Target:
    audio = {"input": {"turn_detection": None, "transcription": {"model": MODELS[protocol]}}}
    begin = json.dumps({"type": "session.update", "session": {"type": "transcription", "audio": audio}})
    address = f"ws://127.0.0.1:{port}/v1/realtime?intent=transcription"
    return Target(address, begin, _append(_sound(24000)), (COMMIT,))


def _sound(rate: int) -> bytes:
    return os.urandom(int(rate * FRAME) * 2)


def _append(sound: bytes) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(sound).decode()})


def _action(action: str, payload: dict[str, Any]) -> str:
    header = {"action": action, "task_id": "task", "streaming": "duplex"}
    return json.dumps({"header": header, "payload": {"task_group": "audio", "task": "asr", **payload, "input": {}}})


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
        await socket.send(target.begin)
    async with socket:
        committed: list[float] = []
        hearing = asyncio.ensure_future(_hear(socket, target.result, committed, frames // TURN))
        loop = asyncio.get_running_loop()
        for number in range(1, frames + 1):
            await asyncio.sleep(begin + number * FRAME - loop.time())
            await socket.send(target.append)
            if number % TURN == 0:
                committed.append(time.perf_counter())
                for frame in target.end:
                    await socket.send(frame)
        return await hearing


async def _hear(socket: ClientConnection, result: bytes, committed: list[float], turns: int) -> list[float]:
    times: list[float] = []
    while len(times) < turns:
        event = await socket.recv(decode=False)
        assert b'"type":"error"' not in event, event
        if result in event:
            times.append((time.perf_counter() - committed[len(times)]) * 1000)
    return times
