"""`doctor`: report the configuration and probe DashScope's surfaces and the job store. No probe starts paid work."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable

import msgspec
from rich.console import Console
from rich.table import Table

from compat.cli.serving import remote
from compat.config import extras
from compat.config.principal import Principal
from compat.config.settings import Settings
from compat.dashscope_api.calls import Call, json_call
from compat.errors import BadRequest, CompatError, ModelNotFound, NotAuthenticated, NotFound, ServiceTimedOut
from compat.jobs.opening import open_store
from compat.upstream.http import Service
from compat.upstream.sockets import Sockets

TIMEOUT = 10.0  # seconds for an answer
LIVE = "live speech"

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


class Finding(msgspec.Struct, frozen=True):
    surface: str
    healthy: bool
    answer: str
    ms: float


def report(settings: Settings) -> int:
    """Print the report and return the exit status: 0 if every surface and the job store respond, 1 otherwise.

    Raise SettingsError if `serve` could not start.
    """
    console = Console()
    console.print(configuration(settings))
    if settings.engine == "openai":
        return _engine(console, settings)
    if settings.pass_key and not settings.dashscope_api_key:
        console.print("Clients send their own DashScope keys: set DASHSCOPE_API_KEY to probe the surfaces with one.")
        return 0
    if not settings.dashscope_api_key:
        extras.need("local", "No DASHSCOPE_API_KEY is set, and an engine on this machine")
        console.print("No DASHSCOPE_API_KEY is set: `serve` answers with a speech engine on this machine.")
        return 0
    findings = asyncio.run(examine(settings, settings.dashscope_api_key))
    table = Table("surface", "answer", "ms", box=None)
    for finding in findings:
        table.add_row(finding.surface, finding.answer, f"{finding.ms:.0f}")
    console.print(table)
    return 0 if all(finding.healthy for finding in findings) else 1


def _engine(console: Console, settings: Settings) -> int:
    """Print whether the server at COMPAT_ENGINE_URL answers, with silence to recognise, and return the exit status."""
    from compat.emulator.engine import NO_HINTS, EngineTrouble
    from compat.emulator.remote.client import RemoteClient, RemoteServer

    server = msgspec.convert(remote(settings, "openai"), RemoteServer)
    with contextlib.closing(RemoteClient(server)) as client:
        started = time.perf_counter()
        try:
            client.transcribe(bytes(32_000), NO_HINTS).result()
        except EngineTrouble as exc:
            console.print(exc.message)
            return 1
    model = settings.engine_model or "the only model for speech"
    console.print(f"The engine at {server.host} answers ({model}) in {time.perf_counter() - started:.1f} s.")
    return 0


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
    table.add_row("model aliases", ", ".join(settings.aliases) or "the built-in ones")
    return table


async def examine(settings: Settings, key: str) -> list[Finding]:
    """Probe each surface once with `key`, those of the fallback account with its key, and COMPAT_STORE."""
    findings = await _surfaces(settings, settings.root, settings.live_root, key)
    if settings.fallback_root and settings.fallback_live_root and settings.fallback_api_key:
        findings += await _surfaces(
            settings, settings.fallback_root, settings.fallback_live_root, settings.fallback_api_key, "fallback: "
        )
    if settings.store:
        store = open_store(settings.store)
        try:
            findings.append(await _probe("job store", store.get("doctor")))
        finally:
            await store.close()
    return findings


async def _surfaces(settings: Settings, root: str, live_root: str, key: str, prefix: str = "") -> list[Finding]:
    principal = Principal(key)
    service = Service(root, connect_timeout=settings.connect_timeout, answer_timeout=TIMEOUT, attempts=1)
    sockets = Sockets(live_root, connect_timeout=settings.connect_timeout)
    try:
        findings = [await _probe(f"{prefix}{name}", service.send(call, principal)) for name, call in PROBES.items()]
        return [*findings, await _probe(f"{prefix}{LIVE}", _greeted(sockets, principal))]
    finally:
        await service.close()


async def _greeted(sockets: Sockets, principal: Principal) -> None:
    """Open a live session without audio, and wait for its first event."""
    connection = await sockets.open("qwen3-asr-flash-realtime", principal)
    try:
        async with asyncio.timeout(TIMEOUT):
            await anext(connection)
    except TimeoutError:
        raise ServiceTimedOut("DashScope's live service did not answer in time.") from None
    finally:
        await connection.close()


async def _probe(name: str, answer: Awaitable[object]) -> Finding:
    started = time.perf_counter()
    try:
        await answer
        healthy, text = True, "answers"
    except NotAuthenticated:
        healthy, text = False, "refuses the key: is it of this region?"
    except (BadRequest, ModelNotFound):
        healthy, text = True, "answers"
    except NotFound:
        healthy, text = False, "is not at this address: is the base URL right?"
    except CompatError as exc:
        healthy, text = False, exc.message
    return Finding(name, healthy, text, (time.perf_counter() - started) * 1000)
