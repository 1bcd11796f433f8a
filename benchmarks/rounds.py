"""Interleaved rounds: each round calls every contender, so that other load on the machine affects all."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.findings import Table
from benchmarks.load import Rounds, load
from benchmarks.peers import Contender, Field


@dataclass(frozen=True)
class Interleaved:
    contenders: dict[str, Contender]
    measured: dict[str, Rounds]

    @property
    def names(self) -> list[str]:
        return list(self.contenders)

    def added(self, name: str, share: int) -> float:
        """Return the milliseconds at a percentile, minus those of the stub called directly."""
        return self.measured[name].at(share) - self.measured[self.contenders[name].direct].at(share)

    def table(self, title: str) -> Table:
        head = ("", "p50 ms", "p99 ms", "added p50", "added p99", "requests/s", "spread of p50", "ms of processor")
        lines = []
        for name, contender in self.contenders.items():
            series = self.measured[name]
            added = ["", ""] if contender.direct == name else [f"{self.added(name, share):+.2f}" for share in (50, 99)]
            figures = [
                f"{series.at(50):.2f}",
                f"{series.at(99):.2f}",
                *added,
                f"{series.rate:.0f}",
                f"{series.spread:.0%}",
                f"{series.processor:.2f}",
            ]
            lines.append([name, *figures])
        return Table(title, head, lines)


async def interleaved(field: Field, audio: bytes, *, flying: int, calls: int, count: int) -> Interleaved:
    """Run `count` rounds of `calls` calls each, after a warm-up."""
    requests = {name: contender.request(audio) for name, contender in field.contenders.items()}
    measured = {name: Rounds() for name in requests}
    for name, request in requests.items():
        await load(field.contenders[name].process.ports, request, flying, max(10, calls // 4))
    for _ in range(count):
        for name, request in requests.items():
            process = field.contenders[name].process
            used = process.seconds()
            measured[name].rounds.append(await load(process.ports, request, flying, calls))
            measured[name].used += process.seconds() - used
    return Interleaved(field.contenders, measured)
