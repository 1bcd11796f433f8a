"""The emulator's ears by name. An engine's libraries are imported when it first listens, not before."""

from __future__ import annotations

from compat.emulator.engine import Loadable
from compat.emulator.engines.moonshine import Moonshine
from compat.emulator.engines.scripted import Scripted
from compat.emulator.engines.tones import Tones

NAMES = ("moonshine", "tones", "scripted")


def engine(name: str) -> Loadable:
    """A new engine; ValueError when there is none of that name."""
    match name:
        case "moonshine":
            return Moonshine()
        case "tones":
            return Tones()
        case "scripted":
            return Scripted()
        case _:
            raise ValueError(f"no engine is called {name!r}; there are {', '.join(NAMES)}")
