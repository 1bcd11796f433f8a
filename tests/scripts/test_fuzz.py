"""Short runs of the targets of scripts/fuzz: seeds unchanged, truncated, and with bytes changed."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent.parent
NAMES = ("form", "header", "keys", "session")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_target", ROOT / "scripts" / "fuzz_target.py")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    return module


def spoilt(seed: bytes, chance: random.Random) -> Iterator[bytes]:
    yield from (b"", seed, seed + seed)
    for _ in range(60):
        data = bytearray(seed[: chance.randrange(len(seed) + 1)] if chance.random() < 0.3 else seed)
        for _ in range(chance.randrange(4)):
            data[(at := chance.randrange(len(data) + 1)) : at + chance.randrange(3)] = chance.randbytes(
                chance.randrange(4)
            )
        yield bytes(data)


@pytest.mark.parametrize("name", NAMES)
def test_a_target_accepts_any_input(script: ModuleType, name: str) -> None:
    target: Callable[[bytes], None] = script.TARGETS[name]

    for seed in script.SEEDS[name]:
        for data in spoilt(seed, random.Random(1)):  # noqa: S311 - reproducible
            target(data)


def test_scripts_fuzz_runs_every_target(script: ModuleType) -> None:
    assert set(NAMES) == set(script.TARGETS) == set(script.SEEDS)
    assert (
        f"for target in {' '.join(sorted(NAMES, key=list(script.TARGETS).index))};"
        in (ROOT / "scripts/fuzz").read_text()
    )
