"""Short uploads per second."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks import rounds
from benchmarks.findings import Bar, Findings
from benchmarks.peers import FLOOR, LITELLM, OURS, Contender, Field
from benchmarks.processes import ours
from benchmarks.sounds import MIB, noise

NAME = "throughput"
TWO = f"{OURS}, 2 workers"


async def measure(field: Field, quick: bool) -> Findings:
    with _two_workers(field) as entrants:
        count, calls = (4, 96) if quick else (8, 400)
        times = await rounds.interleaved(entrants, noise(MIB), flying=16, calls=calls, count=count)
    rate = {name: series.rate for name, series in times.measured.items()}
    bars = []
    if LITELLM in rate:
        ratio = rate[OURS] / rate[LITELLM]
        figure = f"{rate[OURS]:.0f} requests/s, {ratio:.1f} × LiteLLM's"
        bars.append(Bar("throughput, 1 MiB, 16 in flight, one process", figure, "≥ 3 × LiteLLM's", ratio >= 3))
    ratio = rate[OURS] / rate[FLOOR]
    bars.append(Bar("the same beside the pass-through", f"{ratio:.2f} ×", "≥ 0.95 ×", ratio >= 0.95))
    ratio = times.measured[OURS].processor / times.measured[FLOOR].processor
    bars.append(
        Bar("processor time beside the pass-through's, 16 in flight", f"{ratio:.2f} ×", "≤ 1.05 ×", ratio <= 1.05)
    )
    if TWO in rate:
        ratio = rate[TWO] / rate[OURS]
        figure = f"{ratio:.2f} ×, client, stub and server sharing {os.cpu_count()} cores"
        bars.append(Bar("the same with two workers", figure, "≥ 1.8 × where cores are free", ratio >= 1.8))
    return Findings(bars, [times.table("1 MiB, 16 in flight")])


@contextlib.contextmanager
def _two_workers(field: Field) -> Iterator[Field]:
    """Add this server with two processes to the field, if it supports that."""
    usage = subprocess.run(
        [sys.executable, "-m", "compat", "serve", "--help"], capture_output=True, text=True, check=True
    )
    if "--workers" not in usage.stdout:
        yield field
        return
    with ours(field.service.port, "--workers", "2") as server:
        two = Contender(TWO, field.contenders[OURS].direct, server, field.contenders[OURS].request)
        yield dataclasses.replace(field, contenders=field.contenders | {TWO: two})
