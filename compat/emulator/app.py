"""DashScope on your laptop: every surface of speech recognition, in front of an engine of one's own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from compat.emulator import chat, control, describing, generation, refusals, transcription, uploads
from compat.emulator.engine import Engine
from compat.emulator.faults import Faults
from compat.emulator.readings import Readings
from compat.emulator.realtime import endpoint as realtime
from compat.emulator.state import Emulator, Limits
from compat.emulator.surface import Surface

SERVICES = "/api/v1/services"
TASK = "/api/v1/tasks/{task_id}"


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
    generations = Surface(emulator, "generation", generation.generate, describe=describing.native, reads=True)
    submits = Surface(emulator, "submit", transcription.submit, describe=describing.native, reads=True)
    listings = Surface(emulator, "list", transcription.listing)
    results = Surface(emulator, "result", transcription.result, shape=refusals.store, key=False)
    stores = Surface(emulator, "store", uploads.store, shape=refusals.store, key=False)
    return [
        Route("/compatible-mode/v1/chat/completions", completions, methods=["POST"]),
        Route(f"{SERVICES}/aigc/multimodal-generation/generation", generations, methods=["POST"]),
        Route(f"{SERVICES}/audio/asr/transcription", submits, methods=["POST"]),
        Route("/api/v1/tasks", listings, methods=["GET"]),
        Route("/api/v1/tasks/", listings, methods=["GET"]),
        Route(TASK, Surface(emulator, "query", transcription.query), methods=["GET", "POST"]),
        Route(f"{TASK}/cancel", Surface(emulator, "cancel", transcription.cancel), methods=["POST"]),
        Route("/emulator/results/{task_id}/{index:int}.json", results, methods=["GET"]),
        Route("/api/v1/uploads", Surface(emulator, "policy", uploads.policy), methods=["GET"]),
        Route(uploads.PATH, stores, methods=["POST"]),
        *realtime.routes(emulator),
        *control.routes(emulator),
    ]
