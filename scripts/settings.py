"""Write the table of docs/run/settings.md from compat.config.settings: scripts/settings.py [--check]

The Chinese page, settings.zh.md, gets the same rows and keeps its translations; a new row is in English until somebody
translates it. With --check, the pages stay as they are, and the script fails if a table differs.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from compat.config import parsers
from compat.config.settings import Settings
from compat.config.variables import Variable

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "run"
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


def row(variable: Variable, doc: str, also: str) -> str:
    first, *others = (f"`{name}`" for name in variable.names)
    name = also.format(first, ", ".join(others)) if others else first
    shown = default(variable)
    return f"| {name} | {f'`{shown}`' if shown else ''} | {doc} |\n"


def written(page: str, also: str, *, translated: bool) -> str:
    """Return the page with a new table. `also` is the format of a name that has other names."""
    known = dict(re.findall(r"^\| `(\w+)`.*? \| .*? ?\| (.+) \|$", page, re.MULTILINE)) if translated else {}
    rows = "".join(row(each, known.get(each.names[0], each.doc), also) for each in Settings.variables().values())
    return re.sub(r"(?<=\|---\|---\|---\|\n)(\|.*\n)+", lambda _: rows, page)


def main() -> None:
    for name, also in (("settings.md", "{} (also {})"), ("settings.zh.md", "{}（或 {}）")):
        page = (FOLDER / name).read_text()
        table = written(page, also, translated=".zh" in name)
        if "--check" not in sys.argv:
            (FOLDER / name).write_text(table)
        elif table != page:
            sys.exit(f"docs/run/{name} is not up to date: run scripts/settings.py.")


if __name__ == "__main__":
    main()
