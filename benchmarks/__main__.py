"""Run the benchmarks: all rows, written to RESULTS.md, or the named rows, printed."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import report
from benchmarks.findings import Bar, Findings
from benchmarks.peers import field
from benchmarks.rows import (
    booting,
    fitting,
    growth,
    jobs,
    latency,
    live,
    pieces,
    probing,
    reencoding,
    streaming,
    throughput,
    uploading,
    workers,
)

AMONG_PEERS = (latency, throughput, fitting, reencoding)
ALONE = (uploading, booting, streaming, live, jobs, pieces, probing, growth, workers)
NAMES = [row.NAME for row in (*AMONG_PEERS, *ALONE)]
FIRST_FOUR = [row.NAME for row in AMONG_PEERS]


def measured(names: list[str], quick: bool, absent: dict[str, str]) -> Iterator[tuple[str, Findings]]:
    """Yield each row when it is measured. Peers that cannot take part are added to `absent` with the reason."""
    peered = [row for row in AMONG_PEERS if row.NAME in names]
    if peered:
        with field() as entrants:
            absent |= entrants.absent
            for row in peered:
                yield row.NAME, attempted(row.NAME, row.measure(entrants, quick))
    for alone in ALONE:
        if alone.NAME in names:
            yield alone.NAME, attempted(alone.NAME, alone.measure(quick))


def attempted(name: str, measuring: Coroutine[Any, Any, Findings]) -> Findings:
    """Return the findings, or a failed bar, so that the other rows continue."""
    try:
        return uvloop.run(measuring)
    except Exception as exc:  # noqa: BLE001 - any failure is reported as a row
        traceback.print_exception(exc)
        return Findings([Bar(name, f"failed: {type(exc).__name__}", "", None)])


def main() -> None:
    arguments = argparse.ArgumentParser(prog="benchmarks/run", description=__doc__)
    arguments.add_argument(
        "--quick", action="store_true", help="less of each; without rows the first four, printed only"
    )
    arguments.add_argument("rows", nargs="*", metavar="ROW", help=f"some rows, printed only: {', '.join(NAMES)}")
    given = arguments.parse_args()
    if unknown := set(given.rows) - set(NAMES):
        arguments.error(f"no such row: {', '.join(sorted(unknown))}")
    names = given.rows or (FIRST_FOUR if given.quick else NAMES)
    started = time.perf_counter()
    machine = report.Machine.now()
    found: dict[str, Findings] = {}
    absent: dict[str, str] = {}
    for name, findings in measured(names, given.quick, absent):
        found[name] = findings
        print(report.section(name, findings), flush=True)
        print(f"{(time.perf_counter() - started) / 60:.1f} minutes so far", file=sys.stderr, flush=True)
    print(report.bars(found))
    if names == NAMES and not given.quick:
        report.write(Path(__file__).parent, found, machine, absent, (time.perf_counter() - started) / 60)


if __name__ == "__main__":
    main()
