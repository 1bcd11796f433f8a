"""The emulator's ASGI app: DashScope's speech recognition APIs, served by a local engine."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from compat.emulator import chat, control, generation, live_endpoint, not_found, refusals, uploads, vocabularies
from compat.emulator.engine import Engine
from compat.emulator.faults import Faults
from compat.emulator.filetrans import endpoint as filetrans
from compat.emulator.inference import endpoint as inference
from compat.emulator.origins import OriginMiddleware
from compat.emulator.readings import Readings
from compat.emulator.site import Site
from compat.emulator.state import Emulator, Limits
from compat.emulator.surface import Surface

SERVICES = "/api/v1/services"
TASK = "/api/v1/tasks/{task_id}"
READ = ("GET", "HEAD")
log = logging.getLogger("dashscope.emulator")


def create_app(
    engine: Engine,
    *,
    faults: Faults | None = None,
    readings: Readings | None = None,
    limits: Limits | None = None,
    keys: frozenset[str] | None = None,
    site: Site | None = None,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """Return the app. `keys` None: any key is accepted. The state is `app.state.emulator`, an Emulator."""
    emulator = Emulator(
        engine,
        faults=faults or Faults(),
        readings=readings or Readings(),
        limits=limits or Limits(),
        keys=keys,
        site=site or Site(),
        clock=clock,
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with emulator.running():
            yield

    app = Starlette(
        routes=routes(emulator),
        lifespan=lifespan,
        middleware=[Middleware(OriginMiddleware, site=emulator.site)],
        exception_handlers={ClientDisconnect: _disconnected},
    )
    app.state.emulator = emulator
    return app


async def _disconnected(request: Request, _: Exception) -> Response:
    log.warning("a request's body ended early: %s %s", request.method, request.url.path[:200])
    return Response(status_code=400)  # the client has disconnected


def routes(emulator: Emulator) -> list[BaseRoute]:
    completions = Surface(
        emulator, chat.surface, chat.complete, shape=refusals.compat, describe=control.describe_chat, reads=True
    )
    generations = Surface(emulator, "generation", generation.generate, describe=control.describe_native, reads=True)
    submits = Surface(emulator, "submit", filetrans.submit, describe=control.describe_native, reads=True)
    vocabulary = Surface(emulator, "vocabulary", vocabularies.customize, describe=control.describe_native, reads=True)
    listings = Surface(emulator, "list", filetrans.listing, methods=READ)
    queries = Surface(emulator, "query", filetrans.query, methods=(*READ, "POST"))
    policies = Surface(emulator, "policy", uploads.policy, methods=READ)
    results = Surface(emulator, "result", filetrans.result, methods=READ, shape=refusals.store, key=False)
    stores = Surface(emulator, "store", uploads.store, shape=refusals.store, key=False)
    return [
        Route("/compatible-mode/v1/chat/completions", completions),
        Route(f"{SERVICES}/aigc/multimodal-generation/generation", generations),
        Route(f"{SERVICES}/audio/asr/transcription", submits),
        Route(f"{SERVICES}/audio/asr/customization", vocabulary),
        Route("/api/v1/tasks", listings),
        Route(TASK, queries),
        Route(f"{TASK}/cancel", Surface(emulator, "cancel", filetrans.cancel)),
        Route("/emulator/results/{task_id}/{index:int}.json", results),
        Route("/api/v1/uploads", policies),
        Route(uploads.PATH, stores),
        *live_endpoint.routes(emulator),
        *inference.routes(emulator),
        *(control.routes(emulator) if emulator.site.control else ()),
        *not_found.ROUTES,
    ]
