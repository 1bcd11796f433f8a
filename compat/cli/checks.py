"""The checks of `doctor` on this machine, and of a running server. None of them starts paid work."""

from __future__ import annotations

import asyncio
import email.utils
import errno
import ipaddress
import json
import os
import shutil
import tempfile
import time
import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import httpx2
import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from compat.audio import fit, probe
from compat.audio.worker import Worker, WorkerQueue
from compat.cli import calls
from compat.config.principal import ANYONE
from compat.config.settings import Settings
from compat.config.variables import SettingsError
from compat.errors import CompatError
from compat.jobs.opening import REDIS, open_store

TIMEOUT: Final = 10.0  # seconds for an answer
SKEW: Final = 30.0  # seconds by which this machine's clock may differ
LEAST: Final = 1 << 30  # bytes free on the disk of uploads
DECODERS: Final = ("aac", "alac", "amrnb", "amrwb", "flac", "mp3", "opus", "pcm_s16le", "vorbis", "wmav2")
SESSIONS: Final = {
    "live speech": ("/realtime?intent=transcription", {"session.created": ""}),
    "live translation": (
        "/realtime/translations?model=gpt-realtime-translate",
        {
            "session.created": '{"type": "session.update", "session": {"audio": {"output": {"language": "es"}}}}',
            "session.updated": '{"type": "session.close"}',
            "session.closed": "",
        },
    ),
}
State = Literal["ok", "off", "fault"]


class Finding(msgspec.Struct, frozen=True):
    """The result of a check. A fault's `answer` says what to do. `ms`: how long the answer took."""

    surface: str
    state: State
    answer: str
    ms: float | None = None

    @property
    def healthy(self) -> bool:
        return self.state != "fault"


async def machine(settings: Settings) -> list[Finding]:
    """Check what every server needs on its machine."""
    findings = [await _media(), _disk(settings), _webhooks(settings), calls_port(settings)]
    return [*findings, await _store(settings.store)] if settings.store else findings


async def _media() -> Finding:
    """Have a worker process encode a second of audio as FLAC and Opus, and look for the usual decoders."""
    import av

    missing = [name for name in DECODERS if name not in av.codecs_available]
    again = "reinstall PyAV: pip install --force-reinstall --only-binary av av."
    worker, started = Worker(1), time.perf_counter()
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "second.wav")
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
                file.writeframes(os.urandom(32_000))
            media = await worker.run(WorkerQueue(ANYONE), probe.measure, path)
            for most in (20_000, 100_000):  # noise does not fit 20 kB as FLAC
                await worker.run(WorkerQueue(ANYONE), fit.fit, media, path.with_suffix(".fit"), max_bytes=most)
    except (CompatError, OSError) as exc:
        return Finding("FFmpeg", "fault", f"cannot encode audio ({exc}): {again}")
    finally:
        await worker.close()
    if missing:
        return Finding("FFmpeg", "fault", f"lacks {', '.join(missing)}: {again}")
    return Finding("FFmpeg", "ok", "decodes and encodes", _ms(started))


def _disk(settings: Settings) -> Finding:
    folder = settings.spool or Path(tempfile.gettempdir())
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as exc:
        advice = f"{folder} cannot be written ({exc.strerror}): set COMPAT_SPOOL to a folder that can."
        return Finding("disk", "fault", advice)
    room = f"{free / (1 << 30):.1f} GiB free in {folder}"
    if free < min(LEAST, settings.max_spool):
        return Finding("disk", "fault", f"only {room}: free some, or set COMPAT_SPOOL to a folder with more.")
    return Finding("disk", "ok", room)


def _webhooks(settings: Settings) -> Finding:
    if settings.webhook_secret is None:
        return Finding("webhooks", "off", "to allow webhook_url, set COMPAT_WEBHOOK_SECRET.")
    scheme = "http and https" if settings.allow_http_webhooks else "https"
    where = "public and private" if settings.allow_private_webhooks else "public"
    return Finding("webhooks", "ok", f"signed; {scheme}, to {where} addresses")


def calls_port(settings: Settings) -> Finding:
    """Bind the port of calls by WebRTC, and look for what keeps clients elsewhere from it."""
    name, port, host = "WebRTC", settings.webrtc_port, settings.webrtc_host
    if port is None:
        return Finding(name, "off", "to allow calls, set COMPAT_WEBRTC_PORT.")
    kinds = "UDP and TCP" if settings.webrtc_tcp else "UDP"
    try:
        for each in calls.bound(settings, "0.0.0.0", demo=False, workers=1):  # noqa: S104 - closed at once
            each.close()
    except SettingsError as exc:
        if isinstance(exc.__cause__, OSError) and exc.__cause__.errno == errno.EADDRINUSE:
            advice = f"port {port} is in use ({kinds}): by the running server, or choose another COMPAT_WEBRTC_PORT."
            return Finding(name, "off", advice)
        return Finding(name, "fault", str(exc))
    if host and _local(host) and not all(map(_local, settings.webrtc_address)):
        return Finding(name, "fault", f"COMPAT_WEBRTC_HOST={host} receives nothing from other machines: unset it.")
    if not settings.webrtc_address and (settings.trusted_proxies or settings.public_url):
        advice = "behind a proxy, clients need the address of the port: set COMPAT_WEBRTC_ADDRESS."
        return Finding(name, "fault", advice)
    addresses = (
        ", ".join(settings.webrtc_address) or "the address of each request; behind NAT, set COMPAT_WEBRTC_ADDRESS"
    )
    return Finding(name, "ok", f"port {port} is free ({kinds}); answers name {addresses}")


def _local(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


async def _store(place: str) -> Finding:
    started = time.perf_counter()
    redis = place.startswith(REDIS)
    try:
        store = open_store(place)
    except SettingsError as exc:
        return Finding("job store", "fault", str(exc))
    try:
        async with asyncio.timeout(TIMEOUT):
            await store.get("doctor")
    except (CompatError, TimeoutError) as exc:
        advice = "is Redis running, and is its address in COMPAT_STORE right?" if redis else "is the disk full?"
        return Finding("job store", "fault", f"{str(exc) or 'It does not answer.'} {advice[:1].upper()}{advice[1:]}")
    finally:
        await store.close()
    return Finding("job store", "ok", "Redis answers" if redis else f"{place} answers", _ms(started))


async def clock(root: str, now: Callable[[], float] = time.time) -> Finding:
    """Compare this machine's clock with that of the server at `root`, by the header `date` of a response."""
    try:
        async with httpx2.AsyncClient(timeout=TIMEOUT) as client:
            answer = await client.head(root)
        remote = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (httpx2.HTTPError, KeyError, ValueError):
        return Finding("clock", "off", "DashScope's time is not known, so it cannot be compared.")
    apart = now() - remote
    if abs(apart) <= SKEW:
        return Finding("clock", "ok", "agrees with DashScope's")
    direction = "ahead of" if apart > 0 else "behind"
    advice = f"{abs(apart):.0f} s {direction} DashScope's: synchronise it (timedatectl set-ntp true)."
    return Finding("clock", "fault", advice)


async def server(url: str, key: str) -> list[Finding]:
    """Check a running server: its health, whether it is ready, its models, the key, and live sessions."""
    parts = urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}"
    headers = {"authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(timeout=TIMEOUT, headers=headers) as client:
        findings = [await _checked_page(client, "server", f"{root}/healthz", lambda _: "runs")]
        if findings[0].state == "fault":
            return findings
        findings.append(await _checked_page(client, "ready", f"{root}/readyz", lambda _: "can transcribe"))
        models = await _checked_page(client, "models", f"{url.rstrip('/')}/models", _listed)
        if not (models.healthy or parts.path.rstrip("/").endswith("/v1")):
            before, found, _ = parts.path.partition("/v1")
            url = f"{root}{before if found else ''}/v1"
            findings.append(Finding("address", "fault", f"base addresses end in /v1: give clients {url}."))
            models = await _checked_page(client, "models", f"{url}/models", _listed)
        findings.append(models)
    return [*findings, *[await _session(url, headers, name, path, steps) for name, (path, steps) in SESSIONS.items()]]


def _listed(body: object) -> str:
    models = body.get("data", []) if isinstance(body, dict) else []
    return f"{len(models)} names"


async def _checked_page(client: httpx2.AsyncClient, name: str, url: str, describe: Callable[[object], str]) -> Finding:
    started = time.perf_counter()
    try:
        answer = await client.get(url)
    except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
        advice = f"{url} cannot be reached ({type(exc).__name__}): is the server running, and the address right?"
        return Finding(name, "fault", advice)
    try:
        body: object = answer.json()
    except ValueError:
        body = None
    if answer.status_code == 200:
        return Finding(name, "ok", describe(body), _ms(started))
    return Finding(name, "fault", _refusal(answer.status_code, body))


def _refusal(status: int, body: object) -> str:
    if status == 401:
        return "the server refuses the key: set OPENAI_API_KEY to one of its keys."
    if isinstance(body, dict):
        error = body.get("error")
        message = error.get("message") if isinstance(error, dict) else body.get("reason")
        if message:
            return f"{message} (status {status})"
    return f"answers with status {status}: is it the address of this server?"


async def _session(url: str, headers: dict[str, str], name: str, path: str, exchange: Mapping[str, str]) -> Finding:
    """Open a live session. `exchange` maps the end of an event's type to the message to send after it; the last message
    is empty."""
    address = f"{url.rstrip('/').replace('http', 'ws', 1)}{path}"
    started = time.perf_counter()
    try:
        async with asyncio.timeout(TIMEOUT), connect(address, additional_headers=headers) as session:
            for expected, message in exchange.items():
                event = json.loads(await session.recv())
                if not str(event.get("type")).endswith(expected):
                    return Finding(name, "fault", _refusal(200, event))
                if message:
                    await session.send(message)
    except InvalidStatus as exc:
        try:
            body = json.loads(exc.response.body or b"")
        except ValueError:
            body = None
        return Finding(name, "fault", _refusal(exc.response.status_code, body))
    except (OSError, WebSocketException, TimeoutError, ValueError, AttributeError) as exc:
        advice = f"no session ({type(exc).__name__}): does a proxy in front of the server pass WebSockets on?"
        return Finding(name, "fault", advice)
    return Finding(name, "ok", "a session opens", _ms(started))


def _ms(started: float) -> float:
    return (time.perf_counter() - started) * 1000
