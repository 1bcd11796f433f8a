"""The time from the command to the first response, and the memory of an idle server."""

from __future__ import annotations

import statistics
import subprocess
import time

from benchmarks.findings import Bar, Findings, Table
from benchmarks.peers import litellm
from benchmarks.processes import ours, stub
from benchmarks.sounds import MIB, noise, stored
from benchmarks.uploading import send

NAME = "boot"


async def measure(quick: bool) -> Findings:
    path = stored("small.wav", noise(MIB))
    booted, idle, after = [], [], []
    with stub() as service:
        for _ in range(3 if quick else 9):
            started = time.perf_counter()
            with ours(service.port) as server:
                send(server.port, path)
                booted.append(time.perf_counter() - started)
                after.append(server.memory())
            with ours(service.port) as server:
                time.sleep(0.5)  # noqa: ASYNC251 - nothing else runs here
                idle.append(server.memory())
        peer = None if quick else _litellm(service.port)
    first, rest, used = statistics.median(booted), statistics.median(idle), statistics.median(after)
    bars = [
        Bar("boot to the first answer", f"{first:.2f} s", "≤ 0.7 s", first <= 0.7),
        Bar("idle memory", f"{rest:.0f} MiB ({used:.0f} after an answer)", "≤ 80 MB", rest * 1.048576 <= 80),
    ]
    lines = [["this server", f"{first:.2f}", f"{rest:.0f}", f"{used:.0f}"]]
    if peer:
        lines.append(["LiteLLM", *peer])
    head = ("", "s to the first answer", "MiB idle", "MiB after an answer")
    return Findings(bars, [Table(f"1 MiB asked for at once; median of {len(booted)}, LiteLLM once", head, lines)])


def _litellm(service: int) -> list[str] | None:
    started = time.perf_counter()
    try:
        with litellm(service) as peer:
            idle = peer.memory()
            send(peer.port, stored("small.wav", noise(MIB)))
            return [f"{time.perf_counter() - started:.2f}", f"{idle:.0f}", f"{peer.memory():.0f}"]
    except (OSError, RuntimeError, subprocess.SubprocessError):
        return None
