"""The delay of the first text of a streamed response."""

from __future__ import annotations

import asyncio
import re
import time

from benchmarks.findings import Bar, Findings, Table
from benchmarks.load import as_chat, as_form, percentile
from benchmarks.processes import ours, stub
from benchmarks.sounds import MIB, noise

NAME = "stream"
MOMENT = re.compile(rb'"(?:delta|content)": ?"(\d{9,})')


async def first(port: int, request: bytes) -> float:
    """Return the milliseconds from the time in the stub's first text to its arrival."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
    body = b""
    while (moment := MOMENT.search(body)) is None:
        piece = await reader.read(1 << 16)
        if not piece:
            raise RuntimeError(body.decode(errors="replace"))
        body += piece
    taken = (time.perf_counter_ns() - int(moment[1])) / 1e6
    await reader.read()
    writer.close()
    return taken


async def measure(quick: bool) -> Findings:
    audio = noise(MIB)
    direct = as_chat(audio).replace(b'"stream":false', b'"stream": true')
    times: dict[str, list[float]] = {"stub, directly": [], "this server": []}
    with stub() as service, ours(service.port) as server:
        targets = ((service.port, direct), (server.port, as_form(audio, stream="true")))
        for _ in range(20 if quick else 150):
            for taken, (port, request) in zip(times.values(), targets, strict=True):
                taken.append(await first(port, request))
    p50, p99 = (percentile(times["this server"], share) for share in (50, 99))
    figure = f"{p50:.1f} ms (p99 {p99:.1f} ms)"
    lines = [[name, f"{percentile(each, 50):.2f}", f"{percentile(each, 99):.2f}"] for name, each in times.items()]
    table = Table("1 MiB, streamed: ms from the service's first text to its arrival", ("", "p50", "p99"), lines)
    return Findings([Bar("stream: first delta, after the service's", figure, "≤ 5 ms", p50 <= 5)], [table])
