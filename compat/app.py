"""create_app: the routes, the middleware, the lifespan and the error handlers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from compat.audio.worker import Worker
from compat.config.settings import Settings
from compat.endpoints import not_found, playground
from compat.endpoints.access_log import AccessLogMiddleware
from compat.endpoints.admission import Admission, AdmissionMiddleware
from compat.endpoints.auth import Gate
from compat.endpoints.client_secrets import ClientSecretEndpoints
from compat.endpoints.errands import Errands
from compat.endpoints.files import Files
from compat.endpoints.health import Figures, Readiness, healthz
from compat.endpoints.jobs import JobEndpoints
from compat.endpoints.models import Models
from compat.endpoints.origins import Cors, OriginMiddleware
from compat.endpoints.paths import PathMiddleware
from compat.endpoints.preparation import Preparation
from compat.endpoints.proxies import ProxyMiddleware
from compat.endpoints.realtime import Realtime
from compat.endpoints.straight import StraightMiddleware
from compat.endpoints.transcriptions import Transcriptions
from compat.endpoints.translations import Translations
from compat.endpoints.usage import UsageEndpoint
from compat.endpoints.vocabularies import VocabularyEndpoints
from compat.errors import INTERNAL_ERROR, CompatError
from compat.jobs.janitor import LANES, Janitor
from compat.jobs.manager import JobManager
from compat.jobs.opening import REDIS, open_store
from compat.jobs.runner import JobRunner
from compat.observability.entry import RequestEntry
from compat.observability.metrics import Metrics
from compat.server.local_engine import AnyEngine, LocalEngine
from compat.server.run import FINISH
from compat.sharing.team import Team
from compat.spending.accounting import Accounting
from compat.transcription import checks
from compat.transcription.publishing import Bucket, Links
from compat.transcription.recogniser import Recogniser
from compat.transcription.spool import TEXT, Spool
from compat.transcription.translator import Translator
from compat.transcription.vocabularies import Vocabularies
from compat.upstream import slots
from compat.upstream.services import Provider, Services
from compat.upstream.state import OwnState, SharedState
from compat.upstream.webhooks import Webhooks

if TYPE_CHECKING:
    from compat.endpoints.calls import Calls
    from compat.observability.tracing import Traces

log = logging.getLogger("compat")
TRANSCRIPTIONS = "/v1/audio/transcriptions"
EXPOSED = (
    "location",
    "x-request-id",
    "openai-processing-ms",
    "x-compat-ignored",
    "x-compat-road",
    "x-compat-audio-seconds",
    "x-compat-truncated",
    "x-compat-engine",
    "retry-after",
    "x-should-retry",
    "allow",
    "www-authenticate",
)


def create_app(
    settings: Settings,
    traces: Traces | None = None,
    local: AnyEngine | None = None,
    *,
    insecure: bool = False,
    team: Team | None = None,
    calls: Sequence[socket.socket] = (),
) -> Starlette:
    """Return the server's ASGI application. Raises SettingsError for settings that cannot be used.

    `local`: an engine that replaces DashScope.
    `team`: what this process shares with the server's other workers.
    `calls`: sockets for calls by WebRTC; without any, there are no calls.
    `insecure`: accept requests from web pages of every origin even if no API keys are set.

    To stop the server, await `app.state.retire`, which gives load balancers time to notice. Then await
    `app.state.leave`, and close the sockets after that.
    """
    checks.check(settings)
    store = open_store(settings.store)
    engine = local.name if local else ""
    accounting = Accounting(store.ledger())
    metrics = Metrics(region=settings.short_region, prices=settings.prices, team=team, on_audio=accounting.count)
    state = SharedState(team.memory) if team else OwnState()
    redis = settings.store if settings.store and settings.store.startswith(REDIS) else None
    services = Services(settings, metrics, state, traces, _provider(local), redis)
    budget, service = services.budget, services.http
    admission = Admission(
        requests=state.shares("requests", settings.max_requests),
        sessions=state.shares("sessions", settings.max_sessions),
        stopping=lambda: team is not None and team.memory.stopping,
    )
    gate = Gate(settings, budget, admission, state.shares("proven"))
    worker = Worker(settings.media_workers, turns=lambda kind, count: slots.turns(count, partial(state.shares, kind)))
    spool = Spool(
        settings.spool,
        files=state.bytes("files", settings.max_spool),
        texts=state.shares("texts", TEXT),
        memory=state.bytes("uploads in memory", settings.max_upload_memory),
    )
    links = Links(settings.public_url, team.links if team else None) if settings.public_url else None
    seconds = settings.task_deadline + 3600
    bucket = Bucket(settings.bucket, settings.bucket_key, seconds=seconds) if settings.bucket else None
    vocabularies = Vocabularies(services.accounts[0][0], settings.every_alias, family=settings.model_family)
    pieces = slots.Slots(state.shares("pieces", settings.pieces_at_once))
    recogniser = Recogniser(settings, service, worker, links, bucket, engine, metrics.transcript, vocabularies, pieces)
    grace, room = settings.job_grace, state.shares("jobs", settings.max_jobs)
    runner = JobRunner(
        store, recogniser, service, accounting, name=spool.name, grace=grace, room=room, on_state=metrics.job
    )
    jobs = JobManager(settings, runner, local=local is not None)
    secret_of_hooks, private = settings.webhook_secret, settings.allow_private_webhooks
    webhooks = Webhooks(secret_of_hooks, private=private) if secret_of_hooks else None
    janitor = Janitor(runner, jobs, webhooks, state.shares("webhooks", LANES))
    preparation = Preparation(settings, gate, recogniser, spool, accounting)
    job_endpoints = JobEndpoints(settings, gate, jobs)
    transcriptions = Transcriptions(preparation, recogniser, job_endpoints)
    translator = Translator(settings, service)
    translations = Translations(preparation, recogniser, jobs, translator)
    models = Models(settings, gate, engine)
    secret = settings.secret.encode() if settings.secret else os.urandom(32)
    memory = state.shares("memory", settings.max_live_memory)
    errands = Errands(vocabularies.check, translator.sentence)
    realtime = Realtime(
        settings, gate, services.live, secret, metrics, errands, accounting, engine=engine, memory=memory
    )
    sessions = ClientSecretEndpoints(settings, gate, realtime, secret, engine)
    webrtc = _calls(settings, gate, realtime, calls)
    readiness = Readiness(admission, *services.accounts, engine_trouble=lambda: local.report.trouble if local else "")
    metrics.watch("requests_under_way", "Requests for work.", lambda: admission.requests.used)
    metrics.watch("tasks", "Coroutines under way.", lambda: len(asyncio.all_tasks()), own=True)
    metrics.watch("jobs_under_way", "Long jobs that this server works on.", lambda: runner.under_way, own=True)
    metrics.watch("sessions_open", "Live sessions.", lambda: admission.sessions.used)
    metrics.watch("live_memory_bytes", "Sound and long messages of live sessions.", lambda: memory.used)
    metrics.watch("spool_bytes", "Uploads, on disk and in memory.", lambda: spool.files.used)
    metrics.watch("upload_memory_bytes", "Uploads in memory.", lambda: spool.memory.used)
    metrics.watch("queue_waiting", "Calls that wait for their turn.", lambda: budget.waiting, own=True)
    metrics.watch("service_calls_under_way", "Calls to DashScope under way.", lambda: budget.slots.busy)

    async def retire() -> None:
        admission.retiring = True
        await asyncio.sleep(settings.drain_delay)

    async def leave() -> None:
        admission.leaving = True
        if webrtc is not None:
            webrtc.leave()
        await realtime.leave()
        runner.leave(FINISH)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, object]]:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(spool.close)
            if isinstance(local, LocalEngine):  # not one that the workers of this server share
                local.start(spool.path / "engine", settings.max_spool, fetches=settings.publishes)
                stack.push_async_callback(asyncio.to_thread, local.close)
            stack.push_async_callback(budget.close)
            stack.push_async_callback(service.close)
            stack.push_async_callback(worker.close)
            stack.push_async_callback(store.close)
            stack.push_async_callback(accounting.close)
            if traces is not None:
                stack.push_async_callback(asyncio.to_thread, traces.close)
            if webhooks is not None:
                stack.push_async_callback(webhooks.close)
            await stack.enter_async_context(runner.open())
            if webrtc is not None:
                await webrtc.open()
                stack.push_async_callback(webrtc.close)
            runner.spawn(janitor.keep(spool.sweep()))
            runner.spawn(services.lag.measure(metrics.lag))
            runner.spawn(metrics.publish())
            runner.spawn(accounting.keep())
            runner.spawn(realtime.watch())
            yield {"refused": lambda error: metrics.refusal(error.status, error.code or ""), "live_memory": memory}

    handlers = {CompatError: _refused, ClientDisconnect: _disconnected}
    app = Starlette(
        routes=[
            Route(TRANSCRIPTIONS, transcriptions.create, methods=["POST"]),
            Route("/v1/audio/transcriptions/{id}", job_endpoints.status, methods=["GET"]),
            Route("/v1/audio/transcriptions/{id}", job_endpoints.cancel, methods=["DELETE"]),
            Route("/v1/audio/translations", translations.create, methods=["POST"]),
            *_realtime_routes(realtime, webrtc, sessions),
            Route("/v1/dashscope/usage", UsageEndpoint(gate, accounting).usage, methods=["GET"]),
            *_vocabulary_routes(VocabularyEndpoints(gate, vocabularies)),
            Route("/v1/models", models.list_all),
            Route("/v1/models/{model:path}", models.retrieve),
            Route("/healthz", healthz),
            Route("/health", healthz),
            Route("/readyz", readiness.readyz),
            Route("/metrics", Figures(metrics, gate).metrics),
            *(playground.routes(calls=webrtc is not None) if settings.playground else ()),
            *([Route("/files/{token}", Files(links).get)] if links else []),
            WebSocketRoute("/{path:path}", not_found.unknown_socket),
        ],
        middleware=[
            *([Middleware(ProxyMiddleware, trusted=settings.trusted_proxies)] if settings.trusted_proxies else []),
            Middleware(PathMiddleware),
            Middleware(AccessLogMiddleware, metrics=metrics, traces=traces),
            *_pages(settings, keyless=not (insecure or gate.keyed or settings.pass_key)),
            Middleware(AdmissionMiddleware),
            Middleware(StraightMiddleware, TRANSCRIPTIONS, transcriptions.create, handlers),
        ],
        exception_handlers=handlers | {HTTPException: _unrouted, Exception: _failed},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # PathMiddleware normalizes paths
    app.state.retire, app.state.leave = retire, leave
    return app


def _provider(local: AnyEngine | None) -> Provider:
    """Return what answers in place of DashScope, or DashScope itself."""
    if local is None:
        return Provider()
    name = "the engine at COMPAT_ENGINE_URL" if local.name == "openai" else "the local engine"
    return Provider(name, name, str(local.path), lambda: local.report.check())


def _calls(settings: Settings, gate: Gate, realtime: Realtime, sockets: Sequence[socket.socket]) -> Calls | None:
    """Return the calls by WebRTC. Their libraries are loaded only if there are any."""
    if not sockets:
        return None
    from compat.endpoints.calls import Calls
    from compat.webrtc.port import Port

    return Calls(settings, gate, realtime, Port(sockets))


def _realtime_routes(
    realtime: Realtime, calls: Calls | None, secrets: ClientSecretEndpoints
) -> list[Route | WebSocketRoute]:
    routes: list[Route | WebSocketRoute] = [
        Route("/v1/realtime/client_secrets", secrets.client_secret, methods=["POST"]),
        Route("/v1/realtime/transcription_sessions", secrets.transcription_session, methods=["POST"]),
        Route("/v1/realtime/translations/client_secrets", secrets.translation, methods=["POST"]),
        WebSocketRoute("/v1/realtime/translations", realtime.translate),
        Route("/v1/realtime/translations", not_found.no_socket, methods=["GET", "POST"]),
    ]
    if calls is None:
        return [
            *routes,
            WebSocketRoute("/v1/realtime", realtime.live),
            Route("/v1/realtime", not_found.no_socket, methods=["GET", "POST"]),
        ]
    return [
        *routes,
        WebSocketRoute("/v1/realtime", calls.live),
        Route("/v1/realtime", calls.create_or_explain, methods=["POST"]),
        Route("/v1/realtime", not_found.no_socket, methods=["GET"]),
        Route("/v1/realtime/calls", calls.create, methods=["POST"]),
        Route("/v1/realtime/translations/calls", calls.create_translation, methods=["POST"]),
        Route("/v1/realtime/calls/{id}", calls.hangup, methods=["DELETE"]),
        Route("/v1/realtime/calls/{id}/hangup", calls.hangup, methods=["POST"]),
    ]


def _vocabulary_routes(endpoints: VocabularyEndpoints) -> list[Route]:
    return [
        Route("/v1/dashscope/vocabularies", endpoints.list_all, methods=["GET"]),
        Route("/v1/dashscope/vocabularies", endpoints.create, methods=["POST"]),
        Route("/v1/dashscope/vocabularies/{id}", endpoints.retrieve, methods=["GET"]),
        Route("/v1/dashscope/vocabularies/{id}", endpoints.update, methods=["POST"]),
        Route("/v1/dashscope/vocabularies/{id}", endpoints.delete, methods=["DELETE"]),
    ]


def _pages(settings: Settings, *, keyless: bool) -> list[Middleware]:
    """Return the middleware for web pages. A server without keys serves those on this machine and no others."""
    origins = settings.cors_origins
    cors = Middleware(Cors, local=keyless, origins=origins, exposed=EXPOSED)
    if keyless:
        return [Middleware(OriginMiddleware, hosts=settings.allowed_hosts, origins=origins), cors]
    return [cors] if origins else []


def _answer(error: CompatError) -> Response:
    return JSONResponse(error.body(), error.status, error.headers())


async def _refused(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, CompatError)  # noqa: S101 - registered for this class
    request.state.entry.error, request.state.entry.param = exc.code, exc.param
    return _answer(exc)


async def _unrouted(request: Request, exc: Exception) -> Response:
    if (request.method, request.url.path) == ("OPTIONS", "/*"):  # OPTIONS *, which addresses the server itself
        return Response(status_code=204, headers={"allow": "DELETE, GET, HEAD, OPTIONS, POST"})
    error = not_found.error(request, exc)
    if error.status != 405:
        return _answer(error)
    allow = {"allow": not_found.methods(request)}
    if request.method == "OPTIONS":  # CORS preflights of allowed origins are answered by the middleware
        return Response(status_code=204, headers=allow)
    return JSONResponse(error.body(), error.status, error.headers() | allow)


async def _disconnected(request: Request, _: Exception) -> Response:
    entry: RequestEntry = request.state.entry
    entry.error = entry.error or "client_disconnected"  # unless this server closed the connection, with its own error
    return Response(status_code=entry.status or 499)


async def _failed(_: Request, exc: Exception) -> Response:
    log.error("a request failed", exc_info=exc)
    return _answer(CompatError(INTERNAL_ERROR))
