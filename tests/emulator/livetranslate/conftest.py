"""One emulator for all tests that need a port; each test finds it as it was at its start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compat.emulator.engines.tones import Tones
from compat.emulator.faults import Faults
from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from tests.emulator.laptop import Laptop, started


@pytest.fixture(scope="module")
def shared() -> Iterator[Laptop]:
    with started(engine=Tones()) as laptop:
        yield laptop


@pytest.fixture
def laptop(shared: Laptop) -> Laptop:
    emulator = shared.emulator
    emulator.faults.arm(Faults())
    emulator.readings, emulator.limits = Readings(), Limits()
    emulator.counts.clear()
    emulator.live.clear()
    return shared
