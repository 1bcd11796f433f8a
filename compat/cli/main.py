"""The command line: `serve`, `emulator`, `transcribe`, `live`, `vocabulary`, `sample`, `doctor`, `verify`.

This is the only module that reads settings from the environment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import importlib
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import click

from compat import __version__
from compat.cli import running
from compat.cli.calls import bound
from compat.cli.serving import (
    INTERRUPTED,
    LOOPBACK,
    AnnouncingServer,
    Serving,
    Stopping,
    fitted,
    local_environment,
    remote,
)
from compat.cli.supervisor import Supervisor
from compat.config import extras, parsers
from compat.config.settings import Settings
from compat.config.variables import SettingsError
from compat.emulator.options import options as emulator_options
from compat.observability import logs
from compat.observability.human import coloured
from compat.server.connections import room
from compat.server.local_engine import LocalEngine, forget_proxies
from compat.server.pings import Unanswering
from compat.server.run import certificate, config
from compat.server.websocket import WebSocketProtocol

ENGINES = click.Choice(["moonshine", "tones", "openai"])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
PORT = click.IntRange(0, 65535)


def _unbracketed(_ctx: click.Context, _param: click.Parameter, host: str) -> str:
    """Return the host without the brackets of an IPv6 address in a URL."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _number(_ctx: click.Context, _param: click.Parameter, workers: str | None) -> int | None:
    """Return a number of workers. Raises BadParameter."""
    try:
        return None if workers is None else parsers.workers(workers)
    except ValueError as exc:
        raise click.BadParameter(f"It should be {exc}.") from exc


listening = click.option(
    "--host", default="127.0.0.1", show_default=True, callback=_unbracketed, help="Address to listen on."
)


class Commands(click.Group):
    """The command group. Client commands are imported on demand, since they would slow down `serve` by a sixth."""

    clients: ClassVar = {
        "live": "compat.cli.live",
        "transcribe": "compat.cli.transcribe",
        "vocabulary": "compat.cli.vocabulary",
        "verify": "compat.cli.verify.command",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self.clients])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.clients:
            return super().get_command(ctx, cmd_name)
        command = getattr(importlib.import_module(self.clients[cmd_name]), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - for mypy
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command. Ctrl-C, SIGTERM and SIGHUP (a closed terminal) end it with the usual exit status, after its
        cleanup."""
        if threading.current_thread() is not threading.main_thread():
            return super().invoke(ctx)
        before = {each: signal.signal(each, _terminated) for each in running.ending()}
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            raise SystemExit(INTERRUPTED) from None
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def _terminated(number: int, _: object) -> None:
    raise SystemExit(128 + number)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="qwen-asr-compat")
@click.pass_context
def main(ctx: click.Context) -> None:
    """OpenAI's audio API, answered by Alibaba Model Studio (DashScope)."""
    ctx.obj = _settings  # for commands in other modules


@main.command()
@listening
@click.option("--port", type=PORT, default=8000, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--insecure", is_flag=True, help="Listen beyond this machine without requiring a key.")
@click.option(
    "--engine",
    type=ENGINES,
    help="Engine to use without a DashScope key, or openai: the server at COMPAT_ENGINE_URL.  [default: moonshine]",
)
@click.option("--workers", callback=_number, help="Processes that serve, or auto: one for each core.  [default: 1]")
@click.option("--tls-cert", type=FILE, help="PEM file with the certificate chain: serve https and wss.")
@click.option("--tls-key", type=FILE, help="PEM file with the certificate's key.")
@click.option("--for-command", is_flag=True, hidden=True)  # of another command's --local: see running.ends_with_input
def serve(
    host: str,
    port: int,
    insecure: bool,
    engine: str | None,
    workers: int | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    for_command: bool,
) -> None:
    """Serve OpenAI's audio API. Without DASHSCOPE_API_KEY a local engine answers."""
    if for_command:
        running.ends_with_input()
    settings = _settings({"COMPAT_ENGINE": engine} if engine else None)
    tls = _certificate(tls_cert, tls_key)
    if host not in LOOPBACK and not (settings.pass_key or settings.api_keys or settings.api_keys_file or insecure):
        raise click.ClickException(
            f"--host {host} accepts other machines: set COMPAT_API_KEYS or COMPAT_API_KEYS_FILE (or "
            "COMPAT_PASS_KEY=true), or use --insecure."
        )
    engine = settings.engine or "moonshine"
    serves_locally = engine == "openai" or not (settings.dashscope_api_key or settings.pass_key)
    count = workers or settings.workers
    with contextlib.ExitStack() as stack, _refusing():
        if serves_locally and engine != "openai":
            extras.need("local", "No DASHSCOPE_API_KEY is set, and an engine on this machine")
        listener = stack.enter_context(_listener(host, port))
        files = room()  # raises the limit of open files, which children inherit
        supervisor = stack.enter_context(Supervisor(count, settings.spool)) if count > 1 else None
        local = None
        if serves_locally:
            local = stack.enter_context(
                contextlib.closing(
                    LocalEngine(engine, supervisor.tell if supervisor else None, remote(settings, engine))
                )
            )
            forget_proxies()
            settings = _settings(local_environment(local))
        elif settings.store is None:
            settings = dataclasses.replace(settings, store=_state())
        logs.start(settings.log_level, settings.log_format, supervisor.team if supervisor else None)
        _warn()
        serving = Serving(settings.max_connections or files * count, tls_cert, tls_key, insecure)
        settings = fitted(settings, serving.most)
        sockets = bound(settings, host, demo=serves_locally and host in LOOPBACK and not for_command, workers=count)
        ready = functools.partial(_announce, settings, listener, tls_cert, tls, local, count)
        if supervisor:
            supervisor.until_signal(listener, settings, serving, local, ready)
        AnnouncingServer(settings, local, serving, ready, sockets).until_signal(listener)


def _certificate(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if (cert is None) != (key is None):
        raise click.ClickException("--tls-cert and --tls-key require each other.")
    with _refusing():
        return certificate(cert, key) if cert and key else None


def _warn() -> None:
    """Name variables in the environment that have no effect."""
    if unknown := Settings.unknown(os.environ):
        click.echo(f"Unknown settings without effect: {', '.join(unknown)}.", err=True)
    for name, other in Settings.overruled(os.environ):
        click.echo(f"{name} has no effect: {other} overrides it.", err=True)


class _Emulating(Stopping):
    """Runs the emulator; at shutdown it ends the requests that faults keep open."""

    def __init__(self, app: Any) -> None:  # noqa: ANN401 - the emulator's app; cli does not import starlette
        self._emulator = app.state.emulator
        super().__init__(config(app, ws=WebSocketProtocol if self._emulator.readings.pongs else Unanswering))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._emulator.stop()
        await super().shutdown(sockets)


def _announce(
    settings: Settings,
    listener: socket.socket,
    cert: Path | None,
    tls: ssl.SSLContext | None,
    local: LocalEngine | None,
    workers: int,
) -> None:
    """Print instructions."""
    from compat.cli import banner

    address, port = listener.getsockname()[:2]
    host = banner.ANY.get(address, address)
    if cert and tls:
        host = banner.certified([host, "localhost", socket.gethostname()], tls, cert) or host
    base = f"{banner.root(host, port, tls=cert is not None)}/v1"
    everywhere, sample = address in banner.ANY, _sample_or(Path("speech.wav"))
    engine, keys = local.name if local else None, bool(banner.required(settings))
    rows = banner.facts(settings, base, local=engine, everywhere=everywhere, workers=workers)
    with contextlib.suppress(OSError):  # serve even if standard output is closed or the disk is full
        screen = os.isatty(1)
        click.echo(banner.banner(base, rows, keys=keys, cert=cert, sample=sample, colours=coloured(1)))
        if screen:
            click.echo("Press Ctrl-C to stop.\n")


@main.command()
@listening
@click.option("--port", type=PORT, default=8001, show_default=True, help="Port to listen on; 0 takes a free one.")
@emulator_options
def emulator(host: str, port: int, **given: Any) -> None:  # noqa: ANN401 - those of emulator_options
    """Run an emulator of DashScope.

    It has chat/completions, multimodal-generation, file tasks with uploads, and the live sockets /api-ws/v1/realtime
    and /api-ws/v1/inference, with a local engine behind them. docs/explain/emulator.md has the details.
    """
    if given["engine"] not in ("scripted", "openai"):
        with _refusing():
            extras.need("local", f"--engine {given['engine']}")
    from compat.cli import banner
    from compat.emulator.command import app

    made = app(host=host, **given)
    listener = _listener(host, port)
    accepted = "accepts the given keys" if given["keys"] else "accepts any key"
    click.echo(f"DashScope emulator at {banner.root(host, listener.getsockname()[1])}, {accepted}.")
    _Emulating(made).until_signal(listener)


def _state() -> str | None:
    """Return the path of the file for long jobs, or None (keep them in memory) if its folder cannot be created."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "qwen-asr-compat"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        reason = f"{folder} cannot be created ({exc.strerror})"
        click.echo(f"Long jobs will not survive a restart: {reason}. Set COMPAT_STORE.")
        return None
    return str(folder / "jobs.sqlite")


@main.command()
def sample() -> None:
    """Print the path of a speech sample.

    It is 44 s of English.
    """
    click.echo(_sample())


def _sample() -> Path:
    from compat.emulator import sample

    try:
        return sample.path()
    except FileNotFoundError as exc:
        raise click.ClickException(str(exc)) from exc


def _sample_or(other: Path) -> Path:
    try:
        return _sample()
    except click.ClickException:
        return other


@main.command()
@click.option("--url", help="Check the running server at this base URL, such as http://127.0.0.1:8000/v1, instead.")
def doctor(url: str | None) -> None:
    """Check this machine and DashScope.

    Show the settings in force, which of DashScope's surfaces respond, and how fast. With --url, check a running server
    with the key OPENAI_API_KEY. The exit status is 1 if a check fails.
    """
    from compat.cli.doctor import report, report_server

    if url is not None:
        from compat.cli.client import address, key

        raise SystemExit(report_server(address(url), key(os.environ.get("OPENAI_API_KEY") or "none-needed")))
    settings = _settings()
    if settings.store is None and (settings.dashscope_api_key or settings.pass_key):
        settings = dataclasses.replace(settings, store=_state())
    with _refusing():
        raise SystemExit(report(settings))


def _settings(changes: dict[str, str] | None = None) -> Settings:
    with _refusing():
        return Settings.read({**os.environ, **(changes or {})})


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except SettingsError as exc:
        raise click.ClickException(str(exc)) from exc


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        both = host == "::" and socket.has_dualstack_ipv6()  # "::" means all addresses, those of IPv4 included
        listener = socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=both)
    except OSError as exc:
        reason = str(exc.strerror).partition(" (")[0]
        other = "--port" if exc.errno in (errno.EADDRINUSE, errno.EACCES) else "--host"
        raise click.ClickException(f"Cannot listen on {host}:{port}: {reason}. Try another {other}.") from exc
    if sys.platform == "linux":  # close connections whose data is not acknowledged for 90 s
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 90_000)
    return listener
