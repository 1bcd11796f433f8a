"""What twice the audio, the requests or the sessions cost: twice, and no more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import pairwise

from benchmarks.findings import Bar, Curve, Findings, Table
from benchmarks.load import as_form, load
from benchmarks.processes import Process, ours, stub
from benchmarks.sessions import held, through
from benchmarks.sounds import MIB, noise, stored
from benchmarks.uploading import send

NAME = "growth"
WORTH = 0.05  # seconds of processor: what costs less is lost in what a server does anyhow
NOISE = 1.15

Points = list[tuple[float, float]]


async def measure(quick: bool) -> Findings:
    sizes = [1 << power for power in range(4 if quick else 10)]
    curves = [
        Curve("audio", "One upload", "MiB of 16 kHz mono WAV", "s of processor", await _audio(sizes)),
        Curve("requests", "Requests at once", "requests of 1 MiB in flight", "s of processor", await _requests(sizes)),
        Curve("sessions", "Live sessions", "sessions at real-time pace", "cores", await _sessions(sizes)),
    ]
    bars, lines = [], []
    for curve in curves:
        at, worst = worst_doubling(curve.points)
        figure = f"{worst:.2f} × at most" + (f" (to {at:.0f})" if at else "")
        bars.append(
            Bar(f"doubling the {curve.name}, 1 → {sizes[-1]}", figure, "≤ 2 ×, give or take", worst <= 2 * NOISE)
        )
    for place, size in enumerate(sizes):
        lines.append([str(size), *(f"{curve.points[place][1]:.3f}" for curve in curves)])
    head = ("", "audio: s of processor for one upload", "requests: s for all at once", "sessions: cores")
    return Findings(bars, [Table("What this server and its workers use of the processor", head, lines)], curves)


def worst_doubling(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Where twice as much cost the most times as much, and how many."""
    ratios = [(wide, high / low) for (_, low), (wide, high) in pairwise(points) if high > WORTH and low > 0]
    return max(ratios, key=lambda found: found[1], default=(0.0, 0.0))


async def _audio(sizes: Sequence[int]) -> Points:
    points: Points = []
    with stub() as service, ours(service.port) as server:
        await asyncio.to_thread(send, server.port, stored("growing.wav", noise(8 * MIB)))  # which starts the worker
        for size in sizes:
            times = max(1, 32 // size)
            paths = [stored("growing.wav", noise(size * MIB)) for _ in range(1)]
            before = server.seconds()
            for _ in range(times):
                await asyncio.to_thread(send, server.port, paths[0])
            points.append((size, (server.seconds() - before) / times))
            paths[0].unlink()
    return points


async def _requests(sizes: Sequence[int]) -> Points:
    points: Points = []
    with stub() as service, ours(service.port, COMPAT_MAX_REQUESTS="1024") as server:
        request = as_form(noise(MIB))
        await load(server.port, request, 8, 64)
        for size in sizes:
            times = max(1, 64 // size)
            used = await _used(server, request, size, times)
            points.append((size, used / times))
    return points


async def _used(server: Process, request: bytes, flying: int, times: int) -> float:
    before = server.seconds()
    for _ in range(times):
        await load(server.port, request, flying, flying)
    return server.seconds() - before


async def _sessions(sizes: Sequence[int]) -> Points:
    points: Points = []
    with stub("live") as service, ours(service.port) as server:
        for size in sizes:
            points.append((size, (await held(through(server.port), size, 8, server)).cores))
            time.sleep(0.2)  # noqa: ASYNC251 - the last sessions' end is not the next ones' cost
    return points
