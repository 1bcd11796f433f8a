"""The time to determine the duration of a twelve-hour recording.

In the server's process where the header can be believed, else in its worker.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from pathlib import Path

from benchmarks.findings import Bar, Findings, Table
from benchmarks.recordings import RECORDINGS, SECONDS
from benchmarks.sounds import MIB, noise, stored
from compat.audio import probe
from compat.audio.worker import Worker, WorkerQueue
from compat.config.principal import ANYONE

NAME = "probing"
MOST = 50.0  # ms
ENOUGH = 1000.0  # ms: what takes so long is tried once


async def measure(quick: bool) -> Findings:
    lines, slow = [], []
    async with contextlib.AsyncExitStack() as stack:
        worker = Worker()
        stack.push_async_callback(worker.close)
        await worker.run(WorkerQueue(ANYONE), probe.measure, stored("small.wav", noise(MIB)))
        for recording in RECORDINGS[:1] if quick else RECORDINGS:
            path = stored("recording", b"")
            recording.make(path)
            times, by = await _probed(worker, path, 5)
            taken = statistics.median(times)
            lines.append([recording.name, f"{path.stat().st_size / MIB:.0f}", by, f"{taken:.2f}"])
            path.unlink()
            if taken > MOST:
                slow.append((recording, taken))
    late = [recording.name for recording, _ in slow if recording.held]
    exceptions = ", ".join(f"{recording.name} {taken:.0f} ms" for recording, taken in slow)
    bar = Bar(
        "probing 12 h files",
        f"all ≤ {MOST:.0f} ms but {exceptions}" if slow else "all",
        f"≤ {MOST:.0f} ms each",
        not late,
    )
    return Findings(
        [bar],
        [
            Table(
                "Twelve hours each; median of 5, or once where it takes over a second",
                ("", "MiB", "read by", "ms"),
                lines,
            )
        ],
    )


async def _probed(worker: Worker, path: Path, count: int) -> tuple[list[float], str]:
    times, by = [], ""
    for _ in range(count):
        started = time.perf_counter()
        media, by = probe.header(path), "the server"
        if media is None:
            media, by = await worker.run(WorkerQueue(ANYONE), probe.measure, path), "its worker"
        times.append((time.perf_counter() - started) * 1000)
        assert abs(media.duration - SECONDS) < SECONDS / 1000, media
        if times[0] > ENOUGH:
            break
    return times, by
