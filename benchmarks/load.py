"""A cheap load client: prepared requests, keep-alive connections, one event loop."""

from __future__ import annotations

import asyncio
import base64
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

BOUNDARY = "benchmark-7d1f0c"


def post(path: str, content_type: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer k\r\ncontent-type: {content_type}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def as_form(audio: bytes, **fields: str) -> bytes:
    """Return the request that an OpenAI client sends."""
    body = b"".join(form(audio, **fields))
    return post("/v1/audio/transcriptions", f"multipart/form-data; boundary={BOUNDARY}", body)


def form(audio: bytes, **fields: str) -> tuple[bytes, bytes, bytes]:
    """Return the form before the file, the file, and the form after it."""
    head = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {"model": "whisper-1", **fields}.items()
    )
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
    return f"{head}{file}Content-Type: audio/wav\r\n\r\n".encode(), audio, f"\r\n--{BOUNDARY}--\r\n".encode()


def as_chat(audio: bytes) -> bytes:
    """Return the request that this server sends to DashScope: JSON with base64."""
    data = b"data:audio/wav;base64," + base64.b64encode(audio)
    head = b'{"model":"qwen3-asr-flash","stream":false,"messages":[{"role":"user","content":[{"type":"input_audio",'
    body = head + b'"input_audio":{"data":"' + data + b'"}}]}]}'
    return post("/compatible-mode/v1/chat/completions", "application/json", body)


class Client:
    """A client with one keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Client:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def call(self, request: bytes) -> float:
        """Return the milliseconds from the first byte sent to the last received."""
        return (await self.ask(request))[0]

    async def ask(self, request: bytes) -> tuple[float, bytes]:
        started = time.perf_counter()
        self._writer.write(request)
        await self._writer.drain()
        head = await self._reader.readuntil(b"\r\n\r\n")
        body = await self._body(head.lower())
        taken = (time.perf_counter() - started) * 1000
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")):
            raise RuntimeError((head + body).decode(errors="replace"))
        return taken, body

    async def _body(self, head: bytes) -> bytes:
        if b"content-length:" in head:
            return await self._reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        body = b""
        while size := int(await self._reader.readline(), 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readline()
        return body


@dataclass(frozen=True)
class Round:
    """Latencies in ms, and calls a second."""

    times: list[float]
    rate: float


async def load(port: int | Sequence[int], request: bytes, flying: int, calls: int) -> Round:
    """`calls` calls by `flying` clients, which connect to the ports in turn."""
    ports = [port] if isinstance(port, int) else port
    times: list[float] = []
    left = iter(range(calls))

    async def one(port: int) -> None:
        async with Client(port) as client:
            times.extend([await client.call(request) for _ in left])

    started = time.perf_counter()
    await asyncio.gather(*(one(ports[number % len(ports)]) for number in range(flying)))
    return Round(times, calls / (time.perf_counter() - started))


@dataclass
class Rounds:
    """What was measured of one contender; the seconds of processor that it used."""

    rounds: list[Round] = field(default_factory=list)
    used: float = 0.0

    def at(self, share: int) -> float:
        """A percentile over all rounds, in ms."""
        return percentile([taken for each in self.rounds for taken in each.times], share)

    @property
    def rate(self) -> float:
        return statistics.median(each.rate for each in self.rounds)

    @property
    def processor(self) -> float:
        """Milliseconds of it for one call."""
        return self.used * 1000 / sum(len(each.times) for each in self.rounds)

    @property
    def spread(self) -> float:
        """How far the rounds' medians lie apart, as a share of the median of them."""
        medians = [statistics.median(each.times) for each in self.rounds]
        return (max(medians) - min(medians)) / statistics.median(medians)


def percentile(times: Sequence[float], share: int) -> float:
    return statistics.quantiles(times, n=100)[share - 1]
