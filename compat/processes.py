"""Commands that start this program's own Python processes.

They do not use `python -m`, which searches the current folder first: a user's `compat.py` or `random.py` would be
imported from there.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import sys
from pathlib import Path
from typing import Final

QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
HOME: Final = Path(__file__).resolve().parent.parent


def python(code: str, *arguments: str) -> list[str]:
    """Return the command that runs `code` with `arguments` in `sys.argv`.

    The interpreter is isolated. It has this process's module search path without the current folder.
    """
    return [sys.executable, "-I", "-c", f"import sys; sys.path[:] = {places()}; {code}", *arguments]


def command(*arguments: str) -> list[str]:
    """Return the command that runs `qwen-asr-compat` with `arguments`."""
    return python("from compat.cli.main import main; main(prog_name='qwen-asr-compat')", *arguments)


@functools.cache
def places() -> list[str]:
    """Return the module search path for child processes: this process's `sys.path` without the current folder."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # the folder has been removed
        return [place for place in sys.path if place]
    found = [here / place for place in sys.path]  # an empty entry means the current folder
    return [str(place) for place in found if place.resolve() != here or here == HOME]


def cores() -> int:
    """Return the number of cores that this process may use, rounded up. A container's limit counts (cgroup v2)."""
    count = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # without cgroups, or `max`
        quota, period = map(int, QUOTA.read_text().split())
        count = min(count, max(1, math.ceil(quota / period)))
    return count
