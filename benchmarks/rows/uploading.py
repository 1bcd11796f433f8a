"""Upload speed and memory for the largest upload, which becomes a long job."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path

from benchmarks.findings import Bar, Findings, Table
from benchmarks.processes import FOLDER, ours, stub
from benchmarks.sounds import MIB, noise, silence, stored
from benchmarks.uploading import send

NAME = "upload"
BLOCK = 4 * MIB


async def measure(quick: bool) -> Findings:
    size = (256 if quick else 2048) * MIB - 4096
    spool = FOLDER / "spool"
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir(parents=True)
    path = silence(stored("large.wav", b""), size)
    rates: dict[str, list[float]] = {"cached": [], "disk": [], "upload": []}
    with stub() as service, ours(service.port, COMPAT_SPOOL=str(spool)) as server:
        send(server.port, stored("small.wav", noise(MIB)))
        idle = server.memory()
        server.forget_peak()
        for _ in range(1 if quick else 2):
            cached, disk = _written(spool / "sequential", size)
            sent = await asyncio.to_thread(send, server.port, path)
            os.sync()
            for name, seconds in (("cached", cached), ("disk", disk), ("upload", sent.taken)):
                rates[name].append(size / MIB / seconds)
        more = server.peak() - idle
    shutil.rmtree(spool)
    best = {name: max(rate) for name, rate in rates.items()}
    share = best["upload"] / best["disk"]
    bars = [
        Bar("2 GiB upload to a long job: memory over idle", f"{more:+.0f} MiB", "≤ 64 MiB", more <= 64),
        Bar(
            "the same: speed beside the disk's sequential writing",
            f"{best['upload']:.0f} MiB/s, {share:.0%}",
            "≥ 70 %",
            share >= 0.7,
        ),
    ]
    lines = [
        ["sequential write in blocks of 4 MiB, with fsync", f"{best['disk']:.0f}"],
        ["the same without fsync", f"{best['cached']:.0f}"],
        ["upload", f"{best['upload']:.0f}"],
    ]
    return Findings(bars, [Table(f"{size / MIB:.0f} MiB, the best of {len(rates['upload'])}", ("", "MiB/s"), lines)])


def _written(path: Path, size: int) -> tuple[float, float]:
    """Return the seconds for writing the bytes without and with fsync."""
    block = memoryview(os.urandom(BLOCK))
    started = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for at in range(0, size, BLOCK):
            file.write(block[: min(BLOCK, size - at)])
        cached = time.perf_counter() - started
        os.fsync(file.fileno())
    taken = time.perf_counter() - started
    path.unlink()
    return cached, taken
