"""How deeply JSON may be nested. msgspec raises RecursionError for what the interpreter's stack does not hold: about a
thousand levels less those of the calls around it. What is kept and written again, from deeper calls, is held to less.
"""

from __future__ import annotations

from typing import Final

DEEPEST: Final = 64


def too_deep(value: object, levels: int = DEEPEST) -> bool:
    """Whether decoded JSON has more levels of objects and arrays."""
    match value:
        case dict():
            return levels == 0 or any(too_deep(part, levels - 1) for part in value.values())
        case list():
            return levels == 0 or any(too_deep(part, levels - 1) for part in value)
        case _:
            return False
