"""One emulator for all tests that need a port. Each test gets it in its initial state."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compat.emulator.engines.tones import Tones
from compat.emulator.faults import Faults
from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from tests.emulator.running import RunningEmulator, started


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningEmulator]:
    with started(engine=Tones()) as service:
        yield service


@pytest.fixture
def service(shared: RunningEmulator) -> RunningEmulator:
    emulator = shared.emulator
    emulator.faults.arm(Faults())
    emulator.readings, emulator.limits = Readings(), Limits()
    emulator.counts.clear()
    emulator.live.clear()
    return shared
