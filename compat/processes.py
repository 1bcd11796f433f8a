"""Commands that start this program's own Python processes.

`python -m` would search the current folder first, where a user's `compat.py` or `random.py` is another module.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Final

HOME: Final = Path(__file__).resolve().parent.parent


def python(code: str, *arguments: str) -> list[str]:
    """The command that runs `code`, with `arguments` in `sys.argv`, in an isolated interpreter that imports from where
    this one does, without the current folder."""
    return [sys.executable, "-I", "-c", f"import sys; sys.path[:] = {places()}; {code}", *arguments]


def command(*arguments: str) -> list[str]:
    """The command that runs `qwen-asr-compat` with `arguments`."""
    return python("from compat.cli.main import main; main(prog_name='qwen-asr-compat')", *arguments)


@functools.cache
def places() -> list[str]:
    """Where a child looks for modules: this process's `sys.path` without the current folder."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was removed
        return [place for place in sys.path if place]
    found = [here / place for place in sys.path]  # an empty one is the current folder
    return [str(place) for place in found if place.resolve() != here or here == HOME]
