"""The added latency of a short upload, with one in flight."""

from __future__ import annotations

from benchmarks import rounds
from benchmarks.findings import Bar, Findings
from benchmarks.peers import DIRECT_CHAT, FLOOR, LITELLM, OURS, Field
from benchmarks.sounds import MIB, noise

NAME = "latency"
NOISY = 0.25


async def measure(field: Field, quick: bool) -> Findings:
    times = await rounds.interleaved(field, noise(MIB), flying=1, calls=40 if quick else 100, count=5 if quick else 10)
    added = {name: times.added(name, 50) for name in times.names}
    late = times.added(OURS, 99)
    bars = [Bar("added latency, 1 MiB, 1 in flight: p50", f"{added[OURS]:+.2f} ms", "≤ 3 ms", added[OURS] <= 3)]
    if LITELLM in added:
        share = added[OURS] / added[LITELLM]
        bars.append(Bar("the same as a share of LiteLLM's", f"{share:.2f}", "≤ 0.2", share <= 0.2))
    bars.append(Bar("added latency, 1 MiB, 1 in flight: p99", f"{late:+.2f} ms", "≤ 6 ms", late <= 6))
    ratio = times.measured[OURS].processor / times.measured[FLOOR].processor
    bars.append(
        Bar("processor time beside the pass-through's, 1 in flight", f"{ratio:.2f} ×", "≤ 1.05 ×", ratio <= 1.05)
    )
    spread = times.measured[DIRECT_CHAT].spread
    noise_told = f"Noise: from round to round the p50 of the stub called directly differs by {spread:.0%}" + (
        "; this machine is noisy, and only ratios say something." if spread > NOISY else "."
    )
    notes = [f"The blind pass-through adds {added[FLOOR]:.2f} ms.", noise_told]
    return Findings(bars, [times.table("1 MiB, 1 in flight")], notes=notes)
