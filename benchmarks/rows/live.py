"""Live sessions: sessions per core, added latency, and memory per session."""

from __future__ import annotations

from dataclasses import dataclass
from os import getloadavg

from benchmarks.findings import Bar, Findings, Table
from benchmarks.peers import floor
from benchmarks.processes import ours, stub
from benchmarks.sessions import MODELS, Held, Protocol, directly, held, load, through

NAME = "live"
FEW, MANY = 200, 400


@dataclass(frozen=True)
class Compared:
    """The stub, the pass-through and this server, and this server's idle memory in MiB after a few sessions."""

    direct: Held
    floor: Held
    server: Held
    idle: float

    def added(self, held: Held, share: int) -> float:
        """Milliseconds that a server adds to the stub's latency at this percentile."""
        return held.at(share) - self.direct.at(share)


async def measure(quick: bool) -> Findings:
    few, many = (20, 40) if quick else (FEW, MANY)
    found = {
        (sessions, protocol): await compared(sessions, 8 if quick else 24, protocol)
        for sessions in (few, many)
        for protocol in MODELS
    }
    one, all_ = found[few, "realtime"], found[many, "realtime"]
    late, floor_late = (all_.added(each, 99) for each in (all_.server, all_.floor))
    a_core, floor_a_core = (many / each.cores for each in (all_.server, all_.floor))
    each = (one.server.memory - one.idle) * 1024 / few
    bars = [
        Bar(
            "realtime, 24 kHz, 100 ms frames: sessions a core",
            f"{a_core:.0f}, with {many} added p99 {late:+.1f} ms",
            "≥ 400, added p99 ≤ 20 ms",
            a_core >= 400 and late <= 20,
        ),
        Bar(
            f"the same with {few} sessions: added latency",
            f"p50 {one.added(one.server, 50):+.1f} ms, p99 {one.added(one.server, 99):+.1f} ms",
            "p50 ≤ 2 ms, p99 ≤ 10 ms",
            one.added(one.server, 50) <= 2 and one.added(one.server, 99) <= 10,
        ),
        Bar("the same: memory a session", f"{each:.0f} KiB", "≤ 250 KB", each * 1.024 <= 250),
        Bar(
            f"{many} sessions, beside the live pass-through: sessions a core",
            f"{a_core / floor_a_core:.2f} × ({a_core:.0f} and {floor_a_core:.0f}), load {getloadavg()[0]:.1f}",
            "≥ 0.65 ×",
            a_core >= 0.65 * floor_a_core,
        ),
        Bar(
            f"{many} sessions, beside the live pass-through: added p99",
            f"{late:+.1f} and {floor_late:+.1f} ms",
            "≤ 3 ×",
            late <= 3 * max(floor_late, 0),
        ),
    ]
    return Findings(bars, [table(found)])


async def compared(sessions: int, seconds: float, protocol: Protocol) -> Compared:
    with (
        stub("live") as service,
        floor(service.port, "live_passthrough") as blind,
        ours(service.port) as server,
    ):
        await load(directly(blind.port, protocol), 10, 4)
        await load(through(server.port, protocol), 10, 4)
        idle = server.memory()
        direct = await held(directly(service.port, protocol), sessions, seconds, service)
        passed = await held(directly(blind.port, protocol), sessions, seconds, blind)
        return Compared(direct, passed, await held(through(server.port, protocol), sessions, seconds, server), idle)


def table(found: dict[tuple[int, Protocol], Compared]) -> Table:
    lines = []
    for (sessions, protocol), each in found.items():
        size = f"{(each.server.memory - each.idle) * 1024 / sessions:.0f}"
        named = f"{sessions} {protocol}"
        lines.append([f"{named}, directly", *_times(each.direct), "", "", f"{each.direct.cores:.2f}", "", ""])
        for how, server, memory in (("the pass-through", each.floor, ""), ("this server", each.server, size)):
            added = [f"{each.added(server, share):+.2f}" for share in (50, 99)]
            cores = [f"{server.cores:.2f}", f"{sessions / server.cores:.0f}", memory]
            lines.append([f"{named}, through {how}", *_times(server), *added, *cores])
    head = ("sessions", "p50 ms", "p99 ms", "added p50", "added p99", "cores", "sessions a core", "KiB a session")
    return Table(
        "From a commit to its transcript, at real-time pace; cores of the stub, the pass-through or this server",
        head,
        lines,
    )


def _times(held: Held) -> list[str]:
    return [f"{held.at(50):.2f}", f"{held.at(99):.2f}"]
