"""The results of a benchmark row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bar:
    """A measurement, its figure, its target, and whether it is met; None if that could not be determined."""

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
    """A plot of cost over size, with logarithmic axes."""

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
