"""Runs the probes against an emulator in this process, with words coded as tones and without any waits."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from compat.cli.verify.examination import examine
from compat.cli.verify.sounds import Sounds
from compat.config.settings import Settings
from compat.emulator.app import create_app
from compat.emulator.engine import Engine
from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.emulator.faults import Faults, Rule, Slow
from compat.emulator.live_settings import TaskLimits
from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from compat.probes.probe import Probe
from compat.probes.report import Outcome
from compat.server.pings import Unanswering
from compat.server.websocket import WebSocketProtocol
from tests.servers import serve

IDLE = 0.05  # of the probe that waits for 30 s
KEY = "sk-of-this-test"
LONG, SHORT = VOCABULARY[:5], VOCABULARY[5:7]
SPOKEN = " ".join((*LONG, *SHORT))
SPARE = ("fun-asr-mtl", "paraformer-8k-v1", "fun-asr-flash-2026-06-15", "paraformer-realtime-v1")
"""Models that only the probe `models` calls."""
PUBLISHED = ("oss_for_filetrans", "task_times_utc", "result_needs_key", "silence_task", "paraformer_always_timed")
UPLOADED = frozenset({*PUBLISHED, "audio3_files", "cancel_running"})
"""Readings that no probe can decide without upload policies."""


def speech() -> bytes:
    long = lay(LONG)
    return encode([*long, *lay(SHORT, begin_ms=long[-1].end_ms + 1600)])


async def examined(
    folder: Path,
    readings: Readings,
    probes: Sequence[Probe],
    faults: Sequence[Rule] = (),
    *,
    key: str = KEY,
    pace: float = 0.01,
    engine: Engine | None = None,
) -> list[Outcome]:
    """Return the outcomes. The emulator loses patience with idle tasks for the probe of that only."""
    app = create_app(
        engine or Tones(),
        keys=frozenset({KEY}),
        readings=readings,
        limits=Limits(inference=TaskLimits(silence_seconds=5)),
        faults=Faults((Rule(surface="submit", fault=Slow(polls=1, status="RUNNING"), times=None), *faults)),
    )
    calm = [probe for probe in probes if probe.name != "tasks-no-data"]
    idle = [probe for probe in probes if probe.name == "tasks-no-data"]
    with serve(app, ws=WebSocketProtocol if readings.pongs else Unanswering) as root:
        account = Settings(base_url=root)
        sounds = Sounds(folder, speech(), SPOKEN)
        found = [outcome async for outcome in examine(account, key, calm, sounds, pace=pace, silence=6.0)]
        app.state.emulator.limits = Limits(inference=TaskLimits(request_seconds=0.02))
        return [*found, *[outcome async for outcome in examine(account, key, idle, sounds, pace=IDLE)]]


def flat(readings: msgspec.Struct, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, type and value of each reading."""
    for name, kind in get_type_hints(type(readings)).items():
        value = getattr(readings, name)
        if isinstance(value, msgspec.Struct):
            yield from flat(value, f"{name}.")
        else:
            yield prefix + name, kind, value


def chosen(seed: int) -> dict[str, Any]:
    """Return a random value of every reading that a probe decides, by name."""
    dice = random.Random(seed)  # noqa: S311 - reproducible
    found: dict[str, Any] = {}
    for name, kind, default in flat(Readings()):
        if name == "one_account":
            continue
        if kind is bool:
            found[name] = dice.random() < 0.5
        elif get_origin(kind) is Literal:
            found[name] = dice.choice(get_args(kind))
        else:
            found[name] = sorted(dice.sample(SPARE, dice.randint(0, 2)))
        if name in UPLOADED and not found.get("policies", True):
            found[name] = default
    if not found["policies"]:
        found |= {name: default for name, _, default in flat(Readings()) if name in UPLOADED}
    return found
