"""Speech engines by name. The libraries of an engine are imported at its first use."""

from __future__ import annotations

from compat.emulator.engine import Loadable
from compat.emulator.engines.moonshine import Moonshine
from compat.emulator.engines.openai import OpenAI
from compat.emulator.engines.scripted import Scripted
from compat.emulator.engines.tones import Tones
from compat.emulator.remote.client import RemoteServer

NAMES = ("moonshine", "tones", "scripted", "openai")


def engine(name: str, server: RemoteServer | None = None) -> Loadable:
    """Return a new engine. `server` is for `openai` only. Raises ValueError for an unknown name, and Unusable."""
    match name:
        case "moonshine":
            return Moonshine()
        case "tones":
            return Tones()
        case "scripted":
            return Scripted()
        case "openai":
            return OpenAI(server)
        case _:
            raise ValueError(f"unknown engine {name!r}; expected one of {', '.join(NAMES)}")
