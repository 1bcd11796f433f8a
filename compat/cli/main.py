"""The command line: `serve`, `emulator`, `transcribe`, `live`, `vocabulary`, `sample`, `doctor`, `verify`.

This is the only module that reads settings from the environment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import importlib
import logging
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar

import click
import uvicorn

from compat import __version__
from compat.config import extras
from compat.config.settings import Settings
from compat.config.variables import SettingsError
from compat.emulator.options import options as emulator_options
from compat.observability import logs
from compat.server.connections import Connections, fitting, room
from compat.server.local_engine import LocalEngine, forget_proxies
from compat.server.pings import Unanswering
from compat.server.run import Server, check_certificate, config
from compat.server.websocket import WebSocketProtocol

if TYPE_CHECKING:
    from compat.observability.tracing import Traces

ENGINES = click.Choice(["moonshine", "tones"])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
INTERRUPTED = 128 + signal.SIGINT
PORT = click.IntRange(0, 65535)
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _unbracketed(_ctx: click.Context, _param: click.Parameter, host: str) -> str:
    """Return the host without the brackets of an IPv6 address in a URL."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


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
        """Run a command. Ctrl-C and SIGTERM end it with the usual exit status, after its cleanup."""
        if threading.current_thread() is not threading.main_thread():
            return super().invoke(ctx)
        before = signal.signal(signal.SIGTERM, _terminated)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            raise SystemExit(INTERRUPTED) from None
        finally:
            signal.signal(signal.SIGTERM, before)


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
    default="moonshine",
    show_default=True,
    help="Engine to use without a DashScope key.",
)
@click.option("--tls-cert", type=FILE, help="PEM file with the certificate chain: serve https and wss.")
@click.option("--tls-key", type=FILE, help="PEM file with the certificate's key.")
def serve(host: str, port: int, insecure: bool, engine: str, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Serve OpenAI's audio API. Without DASHSCOPE_API_KEY a local engine answers."""
    settings = _settings()
    if (tls_cert is None) != (tls_key is None):
        raise click.ClickException("--tls-cert and --tls-key require each other.")
    if tls_cert and tls_key:
        with _refusing():
            check_certificate(tls_cert, tls_key)
    if host not in LOOPBACK and not (_keys(settings) or insecure):
        raise click.ClickException(
            f"--host {host} accepts other machines: set COMPAT_API_KEYS or COMPAT_API_KEYS_FILE (or "
            "COMPAT_PASS_KEY=true), or use --insecure."
        )
    serves_locally = not (settings.dashscope_api_key or settings.pass_key)
    if serves_locally:
        with _refusing():
            extras.need("local", "No DASHSCOPE_API_KEY is set, and an engine on this machine")
    listener = _listener(host, port)
    with contextlib.ExitStack() as stack:
        local = None
        if serves_locally:
            room()  # raises the limit of open files, which the engine inherits
            with _refusing():
                local = stack.enter_context(contextlib.closing(LocalEngine(engine)))
            settings = _settings(_local_environment(local))
        elif settings.store is None:
            settings = dataclasses.replace(settings, store=_state())
        logs.start(settings.log_level)
        if unknown := Settings.unknown(os.environ):
            click.echo(f"Unknown settings without effect: {', '.join(unknown)}.", err=True)
        for name, other in Settings.overruled(os.environ):
            click.echo(f"{name} has no effect: {other} overrides it.", err=True)
        _Announcing(settings, local, listener, tls_cert, tls_key, insecure=insecure).until_signal(listener)


class _Stopping(uvicorn.Server):
    """A server that confirms a signal and ends the process with the matching exit status."""

    _signal: int | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._signal is None:
            self._signal = sig
            hint = " Press Ctrl-C again to stop at once." if sys.stdin.isatty() else ""
            # The reader of standard error may be gone or stall. Not buffered: the signal may interrupt another write.
            with contextlib.suppress(OSError):
                if select.select([], [2], [], 0)[1]:
                    os.write(2, f"Stopping.{hint}\n".encode())
        super().handle_exit(sig, frame)
        if self.force_exit:
            logging.disable()  # hide the errors of requests that are cut off

    def until_signal(self, listener: socket.socket) -> None:
        """Run until a signal arrives, then raise SystemExit.

        The handlers are installed before uvicorn's own, for signals during the start. uvicorn raises the signals that
        it has received again after its shutdown.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
                signal.signal(number, self.handle_exit)
        self.run(sockets=[listener])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise SystemExit(INTERRUPTED if self._signal == signal.SIGINT else 0)


class _Emulating(_Stopping):
    """Runs the emulator; at shutdown it ends the requests that faults keep open."""

    def __init__(self, app: Any) -> None:  # noqa: ANN401 - the emulator's app; cli does not import starlette
        self._emulator = app.state.emulator
        super().__init__(config(app, ws=WebSocketProtocol if self._emulator.readings.pongs else Unanswering))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._emulator.stop()
        await super().shutdown(sockets)


class _Announcing(_Stopping, Server):
    """A server that prints instructions when it is ready."""

    def __init__(
        self,
        settings: Settings,
        local: LocalEngine | None,
        listener: socket.socket,
        cert: Path | None,
        key: Path | None,
        *,
        insecure: bool,
    ) -> None:
        from compat.app import create_app

        most = settings.max_connections or room()
        settings = _fitted(settings, most)
        with _refusing():
            app = create_app(settings, _traces() if settings.traces else None, local, insecure=insecure)
        uvicorn_config = config(
            app,
            cert,
            key,
            head_timeout=settings.head_timeout,
            body_timeout=settings.body_timeout,
            keep_alive=settings.keep_alive,
            connections=Connections(most, settings.trusts),
        )
        super().__init__(uvicorn_config, app.state.retire, app.state.leave)
        self._local = local is not None
        self._keys = _keys(settings)
        self._host, self._port = listener.getsockname()[:2]
        self._cert = cert

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        from compat.cli import banner

        await super().startup(sockets)
        host = banner.ANY.get(self._host, self._host)
        if self._cert and self.config.ssl:
            host = banner.certified([host, "localhost", socket.gethostname()], self.config.ssl, self._cert) or host
        base = f"{banner.root(host, self._port, tls=self._cert is not None)}/v1"
        sample, everywhere = _sample_or(Path("speech.wav")), self._host in banner.ANY
        text = banner.banner(
            base, everywhere=everywhere, local=self._local, keys=self._keys, cert=self._cert, sample=sample
        )
        with contextlib.suppress(OSError):  # serve even if standard output is closed or the disk is full
            click.echo(text)


def _fitted(settings: Settings, most: int) -> Settings:
    """Return `settings` with the limits on sessions and requests scaled down to `most` connections."""
    sessions, requests = fitting(most, settings.max_sessions, settings.max_requests)
    if (sessions, requests) == (settings.max_sessions, settings.max_requests):
        return settings
    click.echo(
        f"The limit of {most} connections allows at most {sessions} live sessions and {requests} requests at a time. "
        "To allow more, raise the limit of open files (ulimit -n), and COMPAT_MAX_CONNECTIONS if it is set.",
        err=True,
    )
    return dataclasses.replace(settings, max_sessions=sessions, max_requests=requests)


def _traces() -> Traces:
    extras.need("otel", "COMPAT_TRACES")
    from compat.observability.tracing import exported

    return exported()


def _keys(settings: Settings) -> str | None:
    """Return a description of the keys that clients need, or None if they need none."""
    if settings.pass_key:
        return "your DashScope key"
    if settings.api_keys:
        return "one of COMPAT_API_KEYS"
    return f"a key of {settings.api_keys_file}" if settings.api_keys_file else None


@main.command()
@listening
@click.option("--port", type=PORT, default=8001, show_default=True, help="Port to listen on; 0 takes a free one.")
@emulator_options
def emulator(host: str, port: int, **given: Any) -> None:  # noqa: ANN401 - those of emulator_options
    """Run an emulator of DashScope.

    It has chat/completions, multimodal-generation, file tasks with uploads, and the live sockets /api-ws/v1/realtime
    and /api-ws/v1/inference, with a local engine behind them. docs/emulator.md has the details.
    """
    if given["engine"] != "scripted":
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


def _local_environment(local: LocalEngine) -> dict[str, str]:
    """Return the settings that select the local engine, and remove proxies from the environment."""
    forget_proxies()
    return {
        "DASHSCOPE_API_KEY": local.key,
        "DASHSCOPE_BASE_URL": local.root,
        "DASHSCOPE_WEBSOCKET_BASE_URL": "",
        "DASHSCOPE_FALLBACK_API_KEY": "",
    }


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
def doctor() -> None:
    """Check the configuration and DashScope.

    Show the settings in force, which of DashScope's surfaces respond, and how fast.
    """
    from compat.cli.doctor import report

    settings = _settings()
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
