"""DashScope on your laptop: every HTTP surface of speech recognition, in front of an engine of one's own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from compat.emulator import chat, describing, refusals
from compat.emulator.engine import Engine
from compat.emulator.faults import Faults
from compat.emulator.readings import Readings
from compat.emulator.state import Emulator, Limits
from compat.emulator.surface import Surface


def create_app(
    engine: Engine,
    *,
    faults: Faults | None = None,
    readings: Readings | None = None,
    limits: Limits | None = None,
    keys: frozenset[str] | None = None,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """`keys` None: any key is taken. The state is `app.state.emulator`, an Emulator."""
    emulator = Emulator(
        engine,
        faults=faults or Faults(),
        readings=readings or Readings(),
        limits=limits or Limits(),
        keys=keys,
        clock=clock,
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with emulator.running():
            yield

    app = Starlette(routes=routes(emulator), lifespan=lifespan)
    app.state.emulator = emulator
    return app


def routes(emulator: Emulator) -> list[BaseRoute]:
    completions = Surface(
        emulator, chat.surface, chat.complete, shape=refusals.compat, describe=describing.chat, reads=True
    )
    return [Route("/compatible-mode/v1/chat/completions", completions, methods=["POST"])]
