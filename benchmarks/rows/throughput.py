"""Short uploads a second."""

from __future__ import annotations

from benchmarks import rounds
from benchmarks.findings import Bar, Findings
from benchmarks.peers import FLOOR, LITELLM, OURS, Field
from benchmarks.sounds import MIB, noise

NAME = "throughput"


async def measure(field: Field, quick: bool) -> Findings:
    count = 4 if quick else 8
    times = await rounds.interleaved(field, noise(MIB), flying=16, calls=128 if quick else 400, count=count)
    rate = {name: told.rate for name, told in times.measured.items()}
    bars = []
    if LITELLM in rate:
        ratio = rate[OURS] / rate[LITELLM]
        figure = f"{rate[OURS]:.0f} requests/s, {ratio:.1f} × LiteLLM's"
        bars.append(Bar("throughput, 1 MiB, 16 in flight, one process", figure, "≥ 3 × LiteLLM's", ratio >= 3))
    ratio = rate[OURS] / rate[FLOOR]
    bars.append(Bar("the same beside the pass-through", f"{ratio:.2f} ×", "≥ 0.5 ×", ratio >= 0.5))
    return Findings(bars, [times.table("1 MiB, 16 in flight")])
