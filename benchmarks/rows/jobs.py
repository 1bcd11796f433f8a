"""The delay of a transcript after its task's end, with polling within the allowed rate."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from bisect import bisect_left
from collections.abc import Sequence

from benchmarks.findings import Bar, Findings, Table
from benchmarks.load import Client, as_form
from benchmarks.processes import Process, ours, stub
from benchmarks.service import seen
from benchmarks.sounds import MIB, noise

NAME = "jobs"
AT_ONCE = 10
APART = 0.37  # seconds between one job's begin and the next one's


async def measure(quick: bool) -> Findings:
    lengths = (5, 10 if quick else 60)
    with contextlib.ExitStack() as stack:
        services = [stack.enter_context(stub(STUB_TASK=str(seconds))) for seconds in lengths]
        servers = [stack.enter_context(ours(service.port, COMPAT_RATES="")) for service in services]
        late = await asyncio.gather(*(_batch(server) for server in servers))
        asked = [_busiest((await seen(service.port))["queries"]) for service in services]
    worst = [max(each) for each in late]
    bars = [
        Bar("long job: answer after the end of a task of 5 s", f"{worst[0]:.2f} s at most", "≤ 0.6 s", worst[0] <= 0.6),
        Bar(
            f"the same after one of {lengths[1]} s",
            f"{worst[1]:.2f} s at most, {worst[1] / lengths[1]:.1%}",
            "≤ 5 %",
            worst[1] <= lengths[1] * 0.05,
        ),
        Bar("the same: queries in the busiest second", f"{max(asked)}", "≤ 20", max(asked) <= 20),
    ]
    lines = [
        [f"{length} s", f"{sum(each) / len(each):.2f}", f"{max(each):.2f}", str(most)]
        for length, each, most in zip(lengths, late, asked, strict=True)
    ]
    head = ("task", "s late, mean", "s late, at most", "queries in the busiest second")
    return Findings(bars, [Table(f"{AT_ONCE} jobs at a time, {APART} s apart", head, lines)])


async def _batch(server: Process) -> list[float]:
    return await asyncio.gather(*(_late(server, number * APART) for number in range(AT_ONCE)))


async def _late(server: Process, begin: float) -> float:
    """Return the seconds from the end in the result to its arrival. Files differ; equal ones would share a task."""
    await asyncio.sleep(begin)
    async with Client(server.port) as client:
        _, body = await client.ask(as_form(noise(MIB // 8), response_format="verbose_json"))
    arrived, ended = time.perf_counter_ns(), re.search(rb'"text": ?"(\d+)"', body)
    assert ended is not None, body
    return (arrived - int(ended[1])) / 1e9


def _busiest(moments: Sequence[float]) -> int:
    """Return the largest number in any second."""
    moments = sorted(moments)
    return max(bisect_left(moments, moment + 1) - place for place, moment in enumerate(moments))
