"""The overhead benchmark runs against the current server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_overhead_is_measured() -> None:
    command = [sys.executable, "benchmarks/overhead.py", "--rounds", "1"]
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert 2 == done.stdout.count("| this server |")
