"""What the server adds to a 1 MiB upload: the stub upstream called directly and through the server, in turns.

    .venv/bin/python benchmarks/overhead.py [--rounds N]

"Direct" sends the stub the very bytes that the server sends it (JSON with base64 inside), "server" sends the server the
multipart form that a client would. Client, server and stub share the machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import statistics
import sys
import time
import wave
from io import BytesIO
from pathlib import Path

from harness import free_port, percentile, process

HERE = Path(__file__).parent
AUDIO = 1 << 20  # bytes


def speech() -> bytes:
    """A WAV file of 1 MiB: noise, which is as good as speech to whoever does not listen."""
    target = BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(os.urandom(AUDIO - 44))
    return target.getvalue()


def post(path: str, content_type: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\ncontent-type: {content_type}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def direct_request(audio: bytes) -> bytes:
    data = b"data:audio/wav;base64," + base64.b64encode(audio)
    head = b'{"model":"qwen3-asr-flash","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":'
    body = head + b'{"data":"' + data + b'"}}]}],"stream":false}'
    return post("/compatible-mode/v1/chat/completions", "application/json", body)


def server_request(audio: bytes) -> bytes:
    parts = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    parts += b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + audio + b"\r\n--b--\r\n"
    return post("/v1/audio/transcriptions", "multipart/form-data; boundary=b", parts)


class Client:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Client:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def call(self, request: bytes) -> float:
        """Milliseconds from the first byte sent to the last received."""
        started = time.perf_counter()
        self._writer.write(request)
        await self._writer.drain()
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        assert head.startswith(b"HTTP/1.1 200"), head + body
        return (time.perf_counter() - started) * 1000


async def load(port: int, request: bytes, flying: int, calls: int) -> tuple[list[float], float]:
    """Latencies in ms of `calls` calls by `flying` clients, and calls a second."""
    times: list[float] = []
    left = iter(range(calls))

    async def one() -> None:
        async with Client(port) as client:
            times.extend([await client.call(request) for _ in left])

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(flying)))
    return times, calls / (time.perf_counter() - started)


async def measure(stub: int, server: int, rounds: int) -> None:
    audio = speech()
    targets = {"direct": (stub, direct_request(audio)), "server": (server, server_request(audio))}
    for port, request in targets.values():
        await load(port, request, 4, 40)
    for flying in (1, 16):
        times: dict[str, list[float]] = {name: [] for name in targets}
        rates: dict[str, list[float]] = {name: [] for name in targets}
        for _ in range(rounds):
            for name, (port, request) in targets.items():
                taken, rate = await load(port, request, flying, 100 * min(flying, 4))
                times[name] += taken
                rates[name].append(rate)
        p50 = {name: percentile(taken, 50) for name, taken in times.items()}
        p99 = {name: percentile(taken, 99) for name, taken in times.items()}
        per_s = {name: statistics.median(taken) for name, taken in rates.items()}
        print(f"{flying:>2} in flight   {'direct':>9} {'server':>9} {'added':>9}")
        print(f"   p50 ms      {p50['direct']:>9.2f} {p50['server']:>9.2f} {p50['server'] - p50['direct']:>+9.2f}")
        print(f"   p99 ms      {p99['direct']:>9.2f} {p99['server']:>9.2f} {p99['server'] - p99['direct']:>+9.2f}")
        print(
            f"   requests/s  {per_s['direct']:>9.0f} {per_s['server']:>9.0f} {per_s['server'] / per_s['direct']:>8.2f}×"
        )


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=8)
    rounds = arguments.parse_args().rounds
    stub, server = free_port(), free_port()
    environment = {
        "DASHSCOPE_API_KEY": "k",
        "DASHSCOPE_BASE_URL": f"http://127.0.0.1:{stub}",
        "COMPAT_LOG_LEVEL": "warning",
    }
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, 1 MiB WAV, {rounds} interleaved rounds")
    with (
        process(str(HERE / "stub.py"), str(stub), port=stub),
        process("-m", "compat", "serve", "--port", str(server), port=server, **environment),
    ):
        asyncio.run(measure(stub, server, rounds))


if __name__ == "__main__":
    main()
