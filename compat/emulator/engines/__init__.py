"""Speech engines by name. The libraries of an engine are imported at its first use."""

from __future__ import annotations

from compat.emulator.engine import Loadable
from compat.emulator.engines.moonshine import Moonshine
from compat.emulator.engines.scripted import Scripted
from compat.emulator.engines.tones import Tones

NAMES = ("moonshine", "tones", "scripted")


def engine(name: str) -> Loadable:
    """Return a new engine. Raises ValueError for an unknown name."""
    match name:
        case "moonshine":
            return Moonshine()
        case "tones":
            return Tones()
        case "scripted":
            return Scripted()
        case _:
            raise ValueError(f"unknown engine {name!r}; expected one of {', '.join(NAMES)}")
