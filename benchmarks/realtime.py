"""What the server adds to live speech: the emulator with a scripted engine called directly and through the server.

    .venv/bin/python benchmarks/realtime.py [--sessions N] [--seconds S]

Each session sends 100 ms frames at real-time pace (to the server 24 kHz, to the emulator the 16 kHz that the server
makes of them) and commits every two seconds; a latency is the time from a commit to its transcript, from the second
turn on. Callers, server and
emulator have a process each and share the machine's cores; what the server used of them tells the sessions a core.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import uvloop
from harness import free_port, memory, percentile, process, processor_seconds
from websockets.asyncio.client import ClientConnection, connect

HERE = Path(__file__).parent
FRAME = 0.1  # seconds
TURN = 20  # frames
COMMIT = '{"type":"input_audio_buffer.commit"}'
DIRECT = {"input_audio_format": "pcm", "sample_rate": 16000, "turn_detection": None}
SERVER = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}


class Target:
    """One way to the emulator. `rate` is that of the sound sent."""

    def __init__(self, address: str, session: dict[str, Any], rate: int) -> None:
        self.address = address
        self.update = json.dumps({"type": "session.update", "session": session})
        sound = base64.b64encode(os.urandom(int(rate * FRAME) * 2)).decode()
        self.append = json.dumps({"type": "input_audio_buffer.append", "audio": sound})


async def session(target: Target, begin: float, frames: int) -> list[float]:
    """Milliseconds from each commit to its transcript."""
    options: dict[str, Any] = {"compression": None, "proxy": None, "ping_interval": None, "open_timeout": 60}
    async with connect(target.address, additional_headers={"Authorization": "Bearer k"}, **options) as socket:
        await socket.send(target.update)
        committed: list[float] = []
        hearing = asyncio.ensure_future(hear(socket, committed, frames // TURN))
        loop = asyncio.get_running_loop()
        for number in range(1, frames + 1):
            await asyncio.sleep(begin + number * FRAME - loop.time())
            await socket.send(target.append)
            if number % TURN == 0:
                committed.append(time.perf_counter())
                await socket.send(COMMIT)
        return await hearing


async def hear(socket: ClientConnection, committed: list[float], turns: int) -> list[float]:
    times: list[float] = []
    while len(times) < turns:
        event = await socket.recv(decode=False)
        assert b'"type":"error"' not in event, event
        if b"input_audio_transcription.completed" in event:
            times.append((time.perf_counter() - committed[len(times)]) * 1000)
    return times


async def load(target: Target, sessions: int, seconds: float) -> list[float]:
    frames = int(seconds / FRAME) // TURN * TURN
    begin = asyncio.get_running_loop().time() + 1 + sessions / 200
    # Spread over one turn, as callers who know nothing of each other are.
    starts = [begin + number * TURN * FRAME / sessions for number in range(sessions)]
    times = await asyncio.gather(*(session(target, start, frames) for start in starts))
    return [taken for each in times for taken in each[1:]]


async def measure(direct: Target, server: Target, pid: int, sessions: int, seconds: float) -> None:
    await load(server, 10, 4)  # what is loaded once
    idle = memory(pid)
    plain = await load(direct, sessions, seconds)
    used, started = processor_seconds(pid), time.perf_counter()
    running = asyncio.ensure_future(load(server, sessions, seconds))
    await asyncio.sleep(seconds * 0.9)
    held, cores = memory(pid), (processor_seconds(pid) - used) / (time.perf_counter() - started)
    through = await running
    print(f"{sessions} sessions for {seconds:.0f} s, 24 kHz, {FRAME * 1000:.0f} ms frames")
    print(f"   the server used   {cores:.2f} cores: {sessions / cores:.0f} sessions a core")
    print(f"   memory a session  {(held - idle) / sessions / 1024:.0f} KiB")
    print(f"   {'ms':<10} {'direct':>9} {'server':>9} {'added':>9}")
    for name, share in (("p50", 50), ("p99", 99)):
        before, after = percentile(plain, share), percentile(through, share)
        print(f"   {name:<10} {before:>9.2f} {after:>9.2f} {after - before:>+9.2f}")
    print(f"   {'mean':<10} {statistics.mean(plain):>9.2f} {statistics.mean(through):>9.2f}")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--sessions", type=int, default=100)
    arguments.add_argument("--seconds", type=float, default=20)
    given = arguments.parse_args()
    stub, server = free_port(), free_port()
    environment = {
        "DASHSCOPE_API_KEY": "k",
        "DASHSCOPE_BASE_URL": f"http://127.0.0.1:{stub}",
        "COMPAT_LOG_LEVEL": "warning",
    }
    direct = f"ws://127.0.0.1:{stub}/api-ws/v1/realtime?model=qwen3-asr-flash-realtime"
    through = f"ws://127.0.0.1:{server}/v1/realtime?intent=transcription"
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with (
        process(str(HERE / "live_stub.py"), str(stub), port=stub),
        process("-m", "compat", "serve", "--port", str(server), port=server, **environment) as pid,
    ):
        targets = Target(direct, DIRECT, 16000), Target(through, SERVER, 24000)
        uvloop.run(measure(*targets, pid, given.sessions, given.seconds))


if __name__ == "__main__":
    main()
