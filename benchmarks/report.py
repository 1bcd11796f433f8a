"""The report: findings as Markdown, and RESULTS.md."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peers
from benchmarks.findings import Bar, Curve, Findings, Table
from benchmarks.processes import FOLDER, ROOT

MET = {True: "yes", False: "**no**", None: "not measured"}
PACKAGES = ("starlette", "uvicorn", "uvloop", "httptools", "httpx2", "websockets", "msgspec", "av", "pybase64")


@dataclass(frozen=True)
class Machine:
    """The machine. `load` is the load average of the minute before, `commit` that before the plots change the tree."""

    load: float
    begun: float
    commit: str

    @classmethod
    def now(cls) -> Machine:
        return cls(os.getloadavg()[0], time.time(), _commit())

    def lines(self) -> list[tuple[str, str]]:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
        return [
            ("begun", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.begun))),
            ("processor", f"{_processor()}, {os.cpu_count()} cores"),
            ("memory", f"{memory:.0f} GiB"),
            ("system", f"{platform.system()} {platform.release()}"),
            ("load before", f"{self.load:.2f}"),
        ]


def section(name: str, findings: Findings) -> str:
    parts = [f"### {name}", *map(table, findings.tables), *findings.notes]
    parts += [f"![{curve.title}: {curve.up}](plots/{curve.name}.svg)" for curve in findings.curves]
    return "\n\n".join(parts) + "\n"


def table(table: Table) -> str:
    return f"{table.title}\n\n{grid(table.head, table.lines)}"


def bars(found: Mapping[str, Findings], reasons: Mapping[str, str] | None = None) -> str:
    head = ("what", "figure", "bar", "met") + (("why not",) if reasons is not None else ())
    lines = [_line(bar, reasons) for each in found.values() for bar in each.bars]
    return grid(head, lines)


def _line(bar: Bar, reasons: Mapping[str, str] | None) -> list[str]:
    cells = [bar.what, bar.figure, bar.bar, MET[bar.met]]
    return cells if reasons is None else [*cells, "" if bar.met else reasons.get(bar.what, "")]


def grid(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write(
    folder: Path, found: Mapping[str, Findings], machine: Machine, absent: Mapping[str, str], minutes: float
) -> None:
    """Write RESULTS.md and its plots. Reasons for bars that are not met come from reasons.toml, written by hand."""
    reasons: dict[str, str] = tomllib.loads((folder / "reasons.toml").read_text())
    curves = [curve for each in found.values() for curve in each.curves]
    unplotted = _plotted(folder / "plots", curves)
    missing = [f"- {name} did not take part: {why}" for name, why in absent.items()]
    parts = [
        "# Results",
        f"Written by `benchmarks/run` in {minutes:.0f} minutes; [how it is measured](README.md).",
        grid(("machine", ""), machine.lines()),
        grid(("version", ""), [("this server", machine.commit), *_versions()]),
        *(["\n".join(missing)] if missing else []),
        *([f"There are no plots: {unplotted}"] if unplotted else []),
        "## Bars",
        bars(found, reasons),
        "## Figures",
        *(section(name, each).strip() for name, each in found.items()),
    ]
    (folder / "RESULTS.md").write_text("\n\n".join(parts) + "\n")


def _plotted(folder: Path, curves: Sequence[Curve]) -> str | None:
    """Draw the plots; return the reason if they could not be drawn."""
    folder.mkdir(exist_ok=True)
    points = FOLDER / "curves.json"
    points.write_text(json.dumps([dataclasses.asdict(curve) for curve in curves]))
    try:
        python = peers.environment("plots", "matplotlib")
        subprocess.run([python, ROOT / "benchmarks" / "plots.py", points, folder], check=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as exc:
        return str(exc)
    return None


def _versions() -> Iterable[tuple[str, str]]:
    yield "Python", sys.version.split()[0]
    for package in PACKAGES:
        yield package, importlib.metadata.version(package)
    litellm = FOLDER / "litellm" / "bin" / "python"
    if litellm.exists():
        yield "LiteLLM", peers.version(litellm, "litellm")
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if nginx:
        shown = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=False).stderr
        yield "nginx", shown.strip().rpartition("/")[2]


def _commit() -> str:
    version = importlib.metadata.version("qwen-asr-compat")
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return f"{version}, {described.stdout.strip()}" if described.returncode == 0 else version


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
