"""Write the table of docs/run/settings.md from compat.config.settings: scripts/settings.py [--check]

With --check, the page stays as it is, and the script fails if its table differs.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from compat.config import parsers
from compat.config.settings import Settings
from compat.config.variables import Variable

PAGE = Path(__file__).resolve().parent.parent / "docs" / "run" / "settings.md"
HEAD = "| variable | default | what it does |\n|---|---|---|\n"
UNITS = ((30, "G"), (20, "M"), (10, "K"), (0, ""))


def default(variable: Variable) -> str:
    """Return the default as it would be written in the environment, or an empty string for none."""
    value = variable.default
    if value is None or value in ((), {}, ""):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and variable.parse in (parsers.size, parsers.size_or_none):
        return next(f"{value >> bits}{unit}" for bits, unit in UNITS if value % (1 << bits) == 0)
    return f"{value:g}" if isinstance(value, float) else str(value)


def row(variable: Variable) -> str:
    first, *others = (f"`{name}`" for name in variable.names)
    name = f"{first} (also {', '.join(others)})" if others else first
    shown = default(variable)
    return f"| {name} | {f'`{shown}`' if shown else ''} | {variable.doc} |\n"


def main() -> None:
    page = PAGE.read_text()
    table = HEAD + "".join(row(variable) for variable in Settings.variables().values())
    written = re.sub(r"\| variable \|.*\n(\|.*\n)+", lambda _: table, page)
    if "--check" not in sys.argv:
        PAGE.write_text(written)
    elif written != page:
        sys.exit("docs/run/settings.md is not up to date: run scripts/settings.py.")


if __name__ == "__main__":
    main()
