"""The growth of cost with audio, requests and sessions: doubling them should at most double the cost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from benchmarks.findings import Bar, Curve, Findings, Table
from benchmarks.load import as_form, load
from benchmarks.processes import Process, ours, stub
from benchmarks.sessions import held, through
from benchmarks.sounds import MIB, long_speech, noise
from benchmarks.uploading import send

NAME = "growth"
WORTH = 0.05  # seconds of processor: what costs less is lost in what a server does anyhow
NOISE = 1.15

Points = list[tuple[float, float]]


async def measure(quick: bool) -> Findings:
    """Request timestamps, so that all lengths take the same road."""
    sizes = [1 << power for power in range(4 if quick else 10)]
    minutes, cost = "minutes of 16 kHz mono WAV", "s of processor"
    curves = [
        Curve("audio", "One upload, by a file task", minutes, cost, await _audio(sizes, "filetrans")),
        Curve("pieces", "One upload, in pieces", minutes, cost, await _audio(sizes, "pieces")),
        Curve("requests", "Requests at once", "requests of 1 MiB in flight", cost, await _requests(sizes)),
        Curve("sessions", "Live sessions", "sessions at real-time pace", "cores", await _sessions(sizes)),
    ]
    bars, lines = [], []
    for curve in curves:
        at, worst = worst_doubling(curve.points)
        figure = f"{worst:.2f} × at most" + (f" (from {at / 2:.0f} to {at:.0f})" if at else "")
        what = f"doubling the {curve.name}, 1 → {sizes[-1]}"
        bars.append(Bar(what, figure, f"≤ 2 ×, and {NOISE - 1:.0%} for noise", worst <= 2 * NOISE))
    for place, size in enumerate(sizes):
        lines.append([str(size), *(f"{curve.points[place][1]:.3f}" for curve in curves)])
    head = ("", "audio: s of processor", "pieces: s of processor", "requests: s for all at once", "sessions: cores")
    return Findings(bars, [Table("What this server and its workers use of the processor", head, lines)], curves)


def worst_doubling(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the doubling with the largest cost ratio, and the ratio."""
    ratios = [(wide, high / low) for (_, low), (wide, high) in pairwise(points) if high > WORTH and low > 0]
    return max(ratios, key=lambda found: found[1], default=(0.0, 0.0))


async def _audio(sizes: Sequence[int], road: str) -> Points:
    points: Points = []
    with stub() as service, ours(service.port, COMPAT_LONG_ROAD=road) as server:
        await asyncio.to_thread(send, server.port, long_speech("growing.wav", 60), response_format="verbose_json")
        for size in sizes:
            path, times = long_speech("growing.wav", size * 60), max(1, 8 // size)
            before = server.seconds()
            for _ in range(times):
                await asyncio.to_thread(send, server.port, path, response_format="verbose_json")
            points.append((size, (server.seconds() - before) / times))
            path.unlink()
    return points


async def _requests(sizes: Sequence[int]) -> Points:
    points: Points = []
    patient = {"COMPAT_MAX_REQUESTS": "1024", "COMPAT_CONNECT_TIMEOUT": "60"}
    with stub() as service, ours(service.port, **patient) as server:
        request = as_form(noise(MIB))
        await load(server.port, request, 8, 64)
        for size in sizes:
            times = max(1, 64 // size)
            points.append((size, await _used(server, request, size, times) / times))
    return points


async def _used(server: Process, request: bytes, flying: int, times: int) -> float:
    before = server.seconds()
    for _ in range(times):
        await load(server.port, request, flying, flying)
    return server.seconds() - before


async def _sessions(sizes: Sequence[int]) -> Points:
    points: Points = []
    with stub("live") as service, ours(service.port) as server:
        await held(through(server.port), 1, 4, server)  # what is loaded once
        for size in sizes:
            points.append((size, (await held(through(server.port), size, 8, server)).cores))
            await asyncio.sleep(0.5)  # the last sessions' end is not the next ones' cost
    return points
