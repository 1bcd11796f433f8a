"""The server that a command uses: its options, the OpenAI client, and error messages."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import click
import httpx2
import msgspec
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from compat import processes
from compat.config import extras
from compat.config.variables import SettingsError
from compat.errors import CompatError
from compat.server.local_engine import forget_proxies

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_STOP: Final = 10.0  # seconds that a server started with --local may take to stop
_OPTIONS = (
    click.option(
        "--base-url",
        envvar="OPENAI_BASE_URL",
        default="http://127.0.0.1:8000/v1",
        show_default=True,
        callback=lambda _, __, value: address(value),
    ),
    click.option(
        "--api-key",
        envvar="OPENAI_API_KEY",
        default="none-needed",
        help="API key. Prefer OPENAI_API_KEY, which process lists do not show.",
        callback=lambda _, __, value: key(value),
    ),
)
_LOCAL = click.option("--local", is_flag=True, help="Start a server for this command and ignore --base-url.")


def address(value: str) -> str:
    """Return a base URL. Raises BadParameter if it is none."""
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and httpx2.URL(value)
    except (ValueError, httpx2.InvalidURL):
        valid = False
    if not valid:
        raise click.BadParameter(f"{value!r} is not an address such as http://127.0.0.1:8000/v1.")
    return value


def key(value: str) -> str:
    """Return an API key. Raises BadParameter if it is none."""
    value = value.strip()
    if not value or not (value.isascii() and value.isprintable()):
        raise click.BadParameter("A key is one line of ASCII characters.")
    return value


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select the server: `base_url`, `api_key` and `local`."""
    return address_options(_LOCAL(command))


def address_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a server's address: `base_url` and `api_key`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def client(base_url: str, api_key: str) -> AsyncOpenAI:
    """Return an OpenAI client. Raises click.ClickException if the package is not installed or too old.

    The WebSocket URL is set explicitly: some releases of the package use wss for an http URL.
    """
    try:
        extras.need("client", "This command")
        from openai import AsyncOpenAI
    except SettingsError as exc:
        raise click.ClickException(str(exc)) from exc
    except ImportError as exc:
        raise click.ClickException(extras.missing("client", "This command")) from exc
    websocket_url = base_url.replace("http", "ws", 1)
    try:
        return AsyncOpenAI(base_url=base_url, websocket_base_url=websocket_url, api_key=api_key, timeout=4 * 3600)
    except ImportError as exc:
        raise click.ClickException(
            "HTTPS_PROXY or ALL_PROXY names a SOCKS proxy: unset it, or pip install socksio python-socks."
        ) from exc


class CommandFailed(Exception):
    """A live session reported an error. The message is the reported one."""


@contextlib.contextmanager
def chosen(base_url: str, local: bool) -> Iterator[str]:
    """Yield the base URL to use: `base_url` or, with `local`, that of a new server on a free port.

    The new server has a session of its own, so that Ctrl-C in the terminal does not stop it while requests are running.
    It ends when its standard input does, also if this process is killed.
    It requires no key: keys in the environment are those of another server's clients.
    """
    if not local:
        yield base_url
        return
    forget_proxies()
    command = processes.command("serve", "--port", "0", "--for-command")
    with tempfile.TemporaryFile("w+") as errors:
        server = subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | {"COMPAT_API_KEYS": "", "COMPAT_API_KEYS_FILE": "", "COMPAT_WEBRTC_PORT": ""},
            start_new_session=True,
        )
        assert server.stdin is not None  # noqa: S101 - a pipe
        assert server.stdout is not None  # noqa: S101 - a pipe
        try:
            matches = (re.search(r"http://\S+/v1$", line.strip()) for line in server.stdout)
            base = next((match[0] for match in matches if match), None)
            if base is None:
                errors.seek(0)
                why = errors.read().strip().rpartition("\n")[2]
                raise click.ClickException(f"The server did not start: {why.removeprefix('Error: ')}")
            yield base
        finally:
            server.terminate()
            try:
                server.wait(timeout=_STOP)
            except subprocess.TimeoutExpired:
                server.kill()
            server.stdin.close()
            server.stdout.close()


def failures() -> tuple[type[Exception], ...]:
    """Return the exceptions that a server, the network or a recording may cause. See `reason` for their messages.

    Requires the openai package.
    """
    from openai import OpenAIError

    return OpenAIError, WebSocketException, OSError, CompatError, CommandFailed


def reason(exc: BaseException, base_url: str) -> str:
    """Return a sentence that says what went wrong and, if known, what to do."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    match exc:
        case APIStatusError(body=dict() as body):
            return f"{exc.status_code} {exc.code}: {body.get('message', exc.message)}"
        case APIStatusError():
            way = f" through the proxy in {proxy}" if (proxy := _proxy(base_url)) else ""
            return f"{base_url.rstrip('/')} responds{way} with status {exc.status_code}, but not like OpenAI's API."
        case InvalidStatus():
            return _refused(exc.response.status_code, exc.response.body or b"")
        case ConnectionClosed():
            return f"The server ended the session: {exc}" if exc.rcvd else "The connection to the server broke."
        case APITimeoutError() | TimeoutError():
            return f"{base_url} did not respond in time."
        case APIConnectionError() | WebSocketException():
            return _unreachable(exc, base_url)
        case OSError(filename=str() as name, strerror=str() as why):
            return f"{why}: {name}"
        case OSError() if not isinstance(exc, ConnectionError | socket.gaierror | ssl.SSLError):
            return exc.strerror or str(exc)
        case OSError():
            return _unreachable(exc, base_url)
        case _:
            return str(exc)


def _unreachable(exc: BaseException, base_url: str) -> str:
    """Return a sentence about the root cause, which clients wrap in other exceptions."""
    host = urlsplit(base_url).hostname
    proxy = _proxy(base_url)
    cause: BaseException | None = exc
    while cause is not None:
        match cause:
            case socket.gaierror() if not proxy:
                return f"The name {host} cannot be resolved: {cause.strerror}."
            case ssl.SSLCertVerificationError():
                return f"The certificate of {host} is not trusted: {cause.verify_message}. Set SSL_CERT_FILE."
            case ssl.SSLError():
                return f"The TLS handshake with {host} failed ({cause.reason}): is its address http:// or https://?"
            case _:
                cause = cause.__cause__ or cause.__context__
    if proxy:
        return f"{base_url} cannot be reached through the proxy in {proxy}: correct it, or set NO_PROXY={host}."
    if host in ("127.0.0.1", "::1", "localhost"):
        return f"No server responds at {base_url}: start one with `qwen-asr-compat serve`, or use --local."
    return f"No server responds at {base_url}."


def _proxy(base_url: str) -> str | None:
    """Return the name of the environment variable whose proxy is used for the server, or None."""
    parts = urlsplit(base_url)
    proxies = getproxies()
    used = next((scheme for scheme in (parts.scheme, "all") if proxies.get(scheme)), None)
    return f"{used.upper()}_PROXY" if used and not proxy_bypass(parts.netloc.rpartition("@")[2]) else None


def _refused(status: int, body: bytes) -> str:
    """Return the message of an error in OpenAI's shape, from the response to a WebSocket handshake."""
    try:
        error: dict[str, Any] = msgspec.json.decode(body, type=dict[str, dict[str, Any]])["error"]
        return f"{status} {error['code']}: {error['message']}"
    except (msgspec.DecodeError, KeyError):
        return f"The server refused the session with status {status}."
