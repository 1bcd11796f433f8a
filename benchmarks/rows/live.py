"""Live sessions: sessions per core, added latency, and memory per session."""

from __future__ import annotations

from benchmarks.findings import Bar, Findings, Table
from benchmarks.processes import ours, stub
from benchmarks.sessions import MODELS, Held, Protocol, directly, held, load, through

NAME = "live"
FEW, MANY = 200, 400


async def measure(quick: bool) -> Findings:
    few, many = (20, 40) if quick else (FEW, MANY)
    found = {
        (sessions, protocol): await compared(sessions, 8 if quick else 24, protocol)
        for sessions in (few, many)
        for protocol in MODELS
    }
    (direct, server, idle), (plain, busy, _) = found[few, "realtime"], found[many, "realtime"]
    added = [server.at(share) - direct.at(share) for share in (50, 99)]
    late = busy.at(99) - plain.at(99)
    a_core, each = many / busy.cores, (server.memory - idle) * 1024 / few
    bars = [
        Bar(
            "realtime, 24 kHz, 100 ms frames: sessions a core",
            f"{a_core:.0f}, with {many} added p99 {late:+.1f} ms",
            "≥ 400, added p99 ≤ 20 ms",
            a_core >= 400 and late <= 20,
        ),
        Bar(
            f"the same with {few} sessions: added latency",
            f"p50 {added[0]:+.1f} ms, p99 {added[1]:+.1f} ms",
            "p50 ≤ 2 ms, p99 ≤ 10 ms",
            added[0] <= 2 and added[1] <= 10,
        ),
        Bar("the same: memory a session", f"{each:.0f} KiB", "≤ 250 KB", each * 1.024 <= 250),
    ]
    return Findings(bars, [table(found)])


async def compared(sessions: int, seconds: float, protocol: Protocol) -> tuple[Held, Held, float]:
    """Return the stub, this server, and the server's idle memory in MiB after a few sessions."""
    with stub("live") as service, ours(service.port) as server:
        await load(through(server.port, protocol), 10, 4)
        idle = server.memory()
        direct = await held(directly(service.port, protocol), sessions, seconds, service)
        return direct, await held(through(server.port, protocol), sessions, seconds, server), idle


def table(found: dict[tuple[int, Protocol], tuple[Held, Held, float]]) -> Table:
    lines = []
    for (sessions, protocol), (direct, server, idle) in found.items():
        each = f"{(server.memory - idle) * 1024 / sessions:.0f}"
        lines.append([f"{sessions} {protocol}, directly", *_times(direct), "", "", f"{direct.cores:.2f}", "", ""])
        cores = [f"{server.cores:.2f}", f"{sessions / server.cores:.0f}", each]
        added = [f"{server.at(share) - direct.at(share):+.2f}" for share in (50, 99)]
        lines.append([f"{sessions} {protocol}, through this server", *_times(server), *added, *cores])
    head = ("sessions", "p50 ms", "p99 ms", "added p50", "added p99", "cores", "sessions a core", "KiB a session")
    return Table(
        "From a commit to its transcript, at real-time pace; cores of the stub, or of this server", head, lines
    )


def _times(told: Held) -> list[str]:
    return [f"{told.at(50):.2f}", f"{told.at(99):.2f}"]
