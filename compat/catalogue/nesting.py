"""Bound on the nesting depth of JSON.

msgspec raises RecursionError when the nesting exceeds the interpreter's stack, about a thousand levels minus the
current call depth. A value decoded here may be encoded later from a deeper call, so its bound is much lower.
"""

from __future__ import annotations

from typing import Final

DEEPEST: Final = 64


def too_deep(value: object, levels: int = DEEPEST) -> bool:
    """Whether decoded JSON nests objects and arrays more than `levels` deep."""
    match value:
        case dict():
            return levels == 0 or any(too_deep(part, levels - 1) for part in value.values())
        case list():
            return levels == 0 or any(too_deep(part, levels - 1) for part in value)
        case _:
            return False
