"""What the probes found, as a table for people and as a document for the emulator and the server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from compat.dashscope_api.faults import without_addresses
from compat.probes.probe import Found, Probe, Value, error_rate
from compat.probes.readings import EXPECTED, nested

State = Literal["answered", "unanswered", "not offered"]
LONGEST = 1000  # characters
_HOST = re.compile(r"\b[\w-]+(?:\.[\w-]+)*\.aliyuncs\.com\b", re.IGNORECASE)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One probe and its result. `found.observed` is the reason if there is no answer."""

    probe: Probe
    state: State
    found: Found


class TableRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table. `expected` and the first part of `observed` are readings, one per line. `differs` names those
    that are not as expected."""

    probe: str
    question: str
    state: State
    expected: str
    observed: str
    evidence: str
    differs: list[str]


def row(outcome: Outcome, secrets: Iterable[str]) -> TableRow:
    found = outcome.found
    seen = [f"{name}={plain(found.readings[name])}" for name in outcome.probe.readings if name in found.readings]
    return TableRow(
        probe=outcome.probe.name,
        question=outcome.probe.question,
        state=outcome.state,
        expected="\n".join(f"{name}={plain(EXPECTED[name])}" for name in outcome.probe.readings),
        observed="\n".join([*seen, safe(found.observed, secrets)]),
        evidence=safe(found.evidence, secrets),
        differs=[name for name, value in found.readings.items() if value != EXPECTED[name]],
    )


def plain(value: Value) -> str:
    """Return a value as the emulator's option `--reading` takes it."""
    return ",".join(value) if isinstance(value, list) else str(value).lower() if isinstance(value, bool) else value


def safe(text: str, secrets: Iterable[str]) -> str:
    """Return a text without addresses, hosts of the service and these secrets, cut to LONGEST characters."""
    for secret in secrets:
        text = text.replace(secret, "[hidden]")
    return _HOST.sub("[address]", without_addresses(text))[:LONGEST]


def readings(outcomes: Iterable[Outcome]) -> dict[str, Value]:
    return {name: value for outcome in outcomes for name, value in outcome.found.readings.items()}


def error_rates(outcomes: Iterable[Outcome], spoken: str) -> dict[str, float]:
    """Return the word error rate of each model that transcribed the bundled speech."""
    return {
        model: round(error_rate(spoken, text), 3) for outcome in outcomes for model, text in outcome.found.heard.items()
    }


def document(
    outcomes: Sequence[Outcome], *, spoken: str, about: dict[str, Any], unprobed: dict[str, str], secrets: Iterable[str]
) -> dict[str, Any]:
    """Return the document that `verify` writes. It contains no key, address or transcript."""
    kept = tuple(secrets)
    return {
        "about": about,
        "readings": nested(readings(outcomes)),
        "word_error_rates": error_rates(outcomes, spoken),
        "probes": [msgspec.to_builtins(row(outcome, kept)) for outcome in outcomes],
        "not_probed": unprobed,
    }
