"""What a row of the benchmarks has to tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bar:
    """What is measured, what came out, what it should be, and whether it is; None where it could not be told."""

    what: str
    figure: str
    bar: str
    met: bool | None


@dataclass(frozen=True)
class Table:
    title: str
    head: Sequence[str]
    lines: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Curve:
    """Cost over size, both doubling: a plot."""

    name: str
    title: str
    across: str
    up: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Findings:
    bars: Sequence[Bar]
    tables: Sequence[Table] = ()
    curves: Sequence[Curve] = ()
    notes: Sequence[str] = field(default=())
