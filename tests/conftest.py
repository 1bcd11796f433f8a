"""What holds for all tests, and for the processes that they start."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# The same examples in every run, however slow the machine is. `--hypothesis-profile=default` looks for others.
settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def first_example() -> None:
    """Hypothesis looks, at its first example, for what refers to its source of chance, and warns where it finds
    nothing: as in a process in which a server has told the collector to pass over what is there (`gc.freeze`)."""

    @given(st.none())
    def example(_: None) -> None:
        pass

    example()


# Tests run side by side: threads of its own cost a recognition twice the processor's time and save nobody's.
os.environ.setdefault("MOONSHINE_ORT_SINGLE_THREAD", "1")

# A suite in the background of a shell, or under nohup, ignores these; programs that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
