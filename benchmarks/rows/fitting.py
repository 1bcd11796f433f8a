"""Uploads that are as large as the service's short surface takes them."""

from __future__ import annotations

from benchmarks import rounds
from benchmarks.findings import Bar, Findings, Table
from benchmarks.load import load
from benchmarks.peers import FLOOR, OURS, Field
from benchmarks.sounds import MIB, noise

NAME = "fitting"


async def measure(field: Field, quick: bool) -> Findings:
    audio, server = noise(6 * MIB), field.contenders[OURS].process
    await load(server.port, field.contenders[OURS].request(noise(MIB)), 1, 20)
    before = {name: one.process.memory() for name, one in field.contenders.items()}
    for one in field.contenders.values():
        one.process.forget_peak()
    count = 2 if quick else 5
    times = await rounds.interleaved(field, audio, flying=8, calls=24 if quick else 64, count=count)
    more = {name: one.process.peak() - before[name] for name, one in field.contenders.items()}
    ratio = times.measured[OURS].at(50) / times.measured[FLOOR].at(50)
    bars = [
        Bar("6 MiB, 8 in flight: memory over idle", f"{more[OURS]:+.0f} MiB", "≤ 32 MiB", more[OURS] <= 32),
        Bar("the same: time beside the pass-through's", f"{ratio:.2f} ×", "≤ 1.5 ×", ratio <= 1.5),
    ]
    lines = [[name, f"{before[name]:.0f}", f"{more[name]:+.0f}"] for name in times.names]
    memory = Table("Memory, MiB, of the process and its children", ("", "before", "at most"), lines)
    return Findings(bars, [times.table("6 MiB, 8 in flight"), memory])
