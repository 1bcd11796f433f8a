"""Uploads of the largest size that the service's short surface accepts."""

from __future__ import annotations

from benchmarks import rounds
from benchmarks.findings import Bar, Findings, Table
from benchmarks.load import as_form, load
from benchmarks.peers import FLOOR, OURS, Field, floor
from benchmarks.processes import Process, ours
from benchmarks.sounds import MIB, noise

NAME = "fitting"
FLYING = 8


async def measure(field: Field, quick: bool) -> Findings:
    request, calls = as_form(noise(6 * MIB)), 24 if quick else 64
    with floor(field.service.port) as plain, ours(field.service.port) as server:
        idle, more = {}, {}
        for name, process in ((FLOOR, plain), (OURS, server)):
            idle[name], more[name] = await _grown(process, request, calls)
    times = await rounds.interleaved(field, noise(6 * MIB), flying=FLYING, calls=calls, count=2 if quick else 5)
    ratio = times.measured[OURS].at(50) / times.measured[FLOOR].at(50)
    bars = [
        Bar("6 MiB, 8 in flight: memory over idle", f"{more[OURS]:+.0f} MiB", "≤ 32 MiB", more[OURS] <= 32),
        Bar("the same: time beside the pass-through's", f"{ratio:.2f} ×", "≤ 1.5 ×", ratio <= 1.5),
    ]
    lines = [[name, f"{idle[name]:.0f}", f"{more[name]:+.0f}"] for name in idle]
    memory = Table("Memory, MiB, of servers just started", ("", "idle", "at most"), lines)
    return Findings(bars, [times.table(f"6 MiB, {FLYING} in flight"), memory])


async def _grown(process: Process, request: bytes, calls: int) -> tuple[float, float]:
    """Return the idle memory in MiB, and the increase under load."""
    idle = process.memory()
    process.forget_peak()
    await load(process.port, request, FLYING, calls)
    return idle, process.peak() - idle
