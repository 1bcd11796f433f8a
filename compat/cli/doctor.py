"""`doctor`: report the configuration, check this machine and probe DashScope's surfaces, or check a running server. No
probe starts paid work."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Awaitable, Iterable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from compat.catalogue import live, models, translators
from compat.cli import checks
from compat.cli.checks import TIMEOUT, Finding
from compat.cli.greeting import greet
from compat.cli.serving import remote
from compat.config import extras
from compat.config.principal import Principal
from compat.config.settings import Settings
from compat.config.variables import SettingsError
from compat.dashscope_api.calls import Call, json_call
from compat.endpoints.live_models import live_translator
from compat.errors import (
    BadRequest,
    CompatError,
    ModelNotFound,
    NotAuthenticated,
    NotFound,
    ServiceTimedOut,
    ServiceUnavailable,
)
from compat.server.local_engine import LocalEngine
from compat.upstream.http import Service
from compat.upstream.sockets import Sockets

LIVE, TRANSLATION, LOCAL, ENGINE = "live speech", "live translation", "local engine", "COMPAT_ENGINE=openai"
OPENAI = "gpt-live-transcribe"  # the name behind which the operator may set the model for live speech
LOADING = 60.0  # seconds for the local engine to load its model
ENGINE_BYTES = 1 << 30  # of the engine's files

# Requests without audio: DashScope checks the key before it refuses them, so a refusal shows that the surface works.
PROBES = {
    "chat completions": json_call("/compatible-mode/v1/chat/completions", {"model": "qwen3-asr-flash", "messages": []}),
    "multimodal generation": json_call(
        "/api/v1/services/aigc/multimodal-generation/generation",
        {"model": "qwen3-asr-flash", "input": {"messages": []}},
    ),
    "file tasks": Call(method="GET", url="/api/v1/tasks/00000000-0000-0000-0000-000000000000"),
    "temporary uploads": Call(method="GET", url="/api/v1/uploads?action=getPolicy&model=qwen3-asr-flash-filetrans"),
}


def report(settings: Settings) -> int:
    """Print the report and return the exit status: 1 if a check fails, otherwise 0."""
    console = Console(soft_wrap=True)
    console.print(configuration(settings))
    return _printed(console, asyncio.run(_everything(settings)))


def report_server(url: str, key: str) -> int:
    """Print a report on the running server at the base URL, and return the exit status."""
    return _printed(Console(soft_wrap=True), asyncio.run(checks.server(url, key)))


def _printed(console: Console, findings: Iterable[Finding]) -> int:
    findings = list(findings)
    for finding in findings:
        style = {"ok": "green", "off": "dim", "fault": "red"}[finding.state]
        took = "" if finding.ms is None else f" ({finding.ms:.0f} ms)"
        console.print(Text.assemble((f"{finding.state:5}", style), f"  {finding.surface}: {finding.answer}{took}"))
    faults = sum(not finding.healthy for finding in findings)
    console.print(Text(f"{faults} of {len(findings)} checks failed." if faults else "All checks passed."))
    return 1 if faults else 0


async def _everything(settings: Settings) -> list[Finding]:
    findings = await checks.machine(settings)
    if settings.engine == "openai":
        return [*findings, await asyncio.to_thread(_remote_engine, settings)]
    if settings.dashscope_api_key:
        findings.append(await checks.clock(settings.root))
        return findings + await examine(settings, settings.dashscope_api_key)
    if settings.pass_key:
        note = "clients send their own keys: set DASHSCOPE_API_KEY to check DashScope with one."
        return [*findings, Finding("DashScope", "off", note)]
    return findings + await local_engine(settings.engine or "moonshine")


def _remote_engine(settings: Settings) -> Finding:
    """Have the server at COMPAT_ENGINE_URL recognise silence."""
    from compat.emulator.engine import EngineTrouble
    from compat.emulator.remote.client import RemoteClient, RemoteServer

    server = msgspec.convert(remote(settings, "openai"), RemoteServer)
    started = time.perf_counter()
    with contextlib.closing(RemoteClient(server)) as client:
        try:
            client.check().result()
        except EngineTrouble as exc:
            return Finding(ENGINE, "fault", exc.message)
    model = settings.engine_model or "the only model for speech"
    answer = f"the engine at {server.host} answers ({model})"
    return Finding(ENGINE, "ok", answer, (time.perf_counter() - started) * 1000)


def configuration(settings: Settings) -> Table:
    """Return a table of the main settings. Keys are not shown, only whether they are set."""
    table = Table(box=None, show_header=False)
    table.add_row("DashScope", settings.root)
    table.add_row("region", settings.short_region)
    table.add_row("DashScope key", "set" if settings.dashscope_api_key else "not set")
    clients = (
        f"{len(settings.api_keys)} known keys"
        if settings.api_keys
        else "the keys of COMPAT_API_KEYS_FILE"
        if settings.api_keys_file
        else "their own DashScope keys"
        if settings.pass_key
        else "anyone"
    )
    table.add_row("clients", clients)
    table.add_row("fallback", settings.fallback_root or "none")
    table.add_row("model family", settings.model_family)
    table.add_row("live model", settings.live_model)
    table.add_row("live translation", settings.live_translation_model)
    table.add_row("model aliases", ", ".join(settings.aliases) or "the built-in ones")
    return table


async def examine(settings: Settings, key: str) -> list[Finding]:
    """Probe each surface once with `key`, and those of the fallback account with its key."""
    findings = await _surfaces(settings, settings.root, settings.live_root, key)
    if settings.fallback_root and settings.fallback_live_root and settings.fallback_api_key:
        findings += await _surfaces(
            settings, settings.fallback_root, settings.fallback_live_root, settings.fallback_api_key, "fallback: "
        )
    return findings


async def local_engine(name: str) -> list[Finding]:
    """Start the local engine, wait until it has loaded its model, and open a live session with it."""
    started = time.perf_counter()
    try:
        extras.need("local", "No DASHSCOPE_API_KEY is set, and an engine on this machine")
        engine = LocalEngine(name)
    except SettingsError as exc:
        return [Finding(LOCAL, "fault", str(exc))]
    try:
        with tempfile.TemporaryDirectory() as folder:
            engine.start(Path(folder, "engine"), ENGINE_BYTES, fetches=False)
            await asyncio.to_thread(_loaded, engine)
            if not engine.report.ready:
                why = engine.report.cause or "It does not load its model."
                return [Finding(LOCAL, "fault", f"{why} Reinstall moonshine-voice, or set DASHSCOPE_API_KEY.")]
            loaded = Finding(LOCAL, "ok", f"{name} loads its model", (time.perf_counter() - started) * 1000)
            sockets = Sockets("ws://localhost", connect_timeout=TIMEOUT, socket=str(engine.path))
            models = {LIVE: live.DEFAULT, TRANSLATION: translators.DEFAULT}
            principal = Principal(engine.key)
            return [
                loaded,
                *[await _probe(name, greet(sockets, model, principal)) for name, model in models.items()],
            ]
    finally:
        await asyncio.to_thread(engine.close)


def _loaded(engine: LocalEngine) -> None:
    """Wait until the engine is ready or has died, for at most LOADING seconds."""
    until = time.monotonic() + LOADING
    while not (engine.report.ready or engine.report.deaths) and time.monotonic() < until:
        time.sleep(0.05)


async def _surfaces(settings: Settings, root: str, live_root: str, key: str, prefix: str = "") -> list[Finding]:
    principal = Principal(key)
    names = settings.every_alias
    model = models.live(OPENAI, region="custom", aliases=names, preferred=settings.live_model)
    service = Service(root, connect_timeout=settings.connect_timeout, answer_timeout=TIMEOUT, attempts=1)
    sockets = Sockets(live_root, connect_timeout=settings.connect_timeout)
    try:
        findings = [await _probe(f"{prefix}{name}", service.send(call, principal)) for name, call in PROBES.items()]
        findings.append(await _probe(f"{prefix}{LIVE}", greet(sockets, model, principal, live_root)))
        return [*findings, await _translation(settings, sockets, principal, live_root, prefix)]
    finally:
        await service.close()


async def _translation(settings: Settings, sockets: Sockets, principal: Principal, root: str, prefix: str) -> Finding:
    name = f"{prefix}{TRANSLATION}"
    try:
        model = live_translator(translators.OPENAI, settings)
    except CompatError as exc:
        return Finding(name, "off", exc.message)
    if translators.find(model) is None:
        return Finding(name, "off", f"{model} translates the sentences of live speech.")
    return await _probe(name, greet(sockets, model, principal, root))


async def _probe(name: str, answer: Awaitable[object]) -> Finding:
    started = time.perf_counter()
    try:
        await answer
    except NotAuthenticated:
        why = "the key is refused: check DASHSCOPE_API_KEY. DASHSCOPE_REGION has to be the region of the key."
        return Finding(name, "fault", why)
    except (BadRequest, ModelNotFound):
        pass
    except NotFound:
        return Finding(name, "fault", "is not at this address: check DASHSCOPE_BASE_URL and DASHSCOPE_REGION.")
    except (ServiceUnavailable, ServiceTimedOut) as exc:
        return Finding(name, "fault", f"{exc.message} Check this machine's network, DNS and proxy.")
    except CompatError as exc:
        return Finding(name, "fault", f"{exc.message} See docs/run/troubleshooting.md.")
    return Finding(name, "ok", "answers", (time.perf_counter() - started) * 1000)
