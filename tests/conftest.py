"""What holds for all tests, and for the processes that they start."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The same examples in every run, however slow the machine is. `--hypothesis-profile=default` looks for others.
settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")

# Tests run side by side: threads of its own cost a recognition twice the processor's time and save nobody's.
os.environ.setdefault("MOONSHINE_ORT_SINGLE_THREAD", "1")
