"""Commands that start this program's own Python processes.

They do not use `python -m`, which searches the current folder first: a user's `compat.py` or `random.py` would be
imported from there.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Final

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
