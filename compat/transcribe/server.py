"""The server that is asked: which one, its clients, and what to say when it does not do what was asked."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click
import msgspec
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from compat import children
from compat.errors import CompatError

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

_OPTIONS = (
    click.option("--base-url", envvar="OPENAI_BASE_URL", default="http://127.0.0.1:8000/v1", show_default=True),
    click.option("--api-key", envvar="OPENAI_API_KEY", default="none-needed", help="Key; better in OPENAI_API_KEY."),
    click.option("--local", is_flag=True, help="Start a server for this call, in place of --base-url."),
)


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds what chooses the server: `base_url`, `api_key`, `local`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def uploading(base_url: str, api_key: str) -> OpenAI:
    try:
        from openai import OpenAI
    except ImportError as exc:
        raise _without_client() from exc
    return OpenAI(base_url=base_url, api_key=api_key, timeout=4 * 3600)


def speaking(base_url: str, api_key: str) -> AsyncOpenAI:
    """Some releases of the package would dial wss for http."""
    try:
        from openai import AsyncOpenAI
    except ImportError as exc:
        raise _without_client() from exc
    dialled = base_url.replace("http", "ws", 1)
    return AsyncOpenAI(base_url=base_url, websocket_base_url=dialled, api_key=api_key)


def _without_client() -> click.ClickException:
    return click.ClickException("This needs the client extra: pip install 'qwen-asr-compat[client]'.")


class Failed(Exception):
    """A live session reported this."""


@contextlib.contextmanager
def chosen(base_url: str, local: bool) -> Iterator[str]:
    """The address to ask; with `local` that of a server of this program's own on a free port.

    That one is out of the terminal's reach, so that Ctrl-C does not take it away from under what is still asked of it.
    """
    if not local:
        yield base_url
        return
    command = children.command("serve", "--port", "0")
    server = subprocess.Popen(  # noqa: S603 - our own program
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert server.stdout is not None  # noqa: S101 - it is a pipe
    try:
        found = next((found for line in server.stdout if (found := re.search(r"http://\S+/v1$", line.strip()))), None)
        if found is None:
            raise click.ClickException("The server did not start; `qwen-asr-compat serve` says why.")
        yield found[0]
    finally:
        server.terminate()
        server.communicate()


def failures() -> tuple[type[Exception], ...]:
    """What a server, the way to it, or a recording may raise; `reason` says it."""
    from openai import OpenAIError

    return OpenAIError, WebSocketException, OSError, CompatError, Failed


def reason(exc: Exception, base_url: str) -> str:
    """What went wrong, and what to do where that is known."""
    from openai import APIConnectionError, APIStatusError

    match exc:
        case APIStatusError(body=dict() as body):
            return f"{exc.status_code} {exc.code}: {body.get('message', exc.message)}"
        case InvalidStatus():
            return _refused(exc.response.status_code, exc.response.body or b"")
        case ConnectionClosed():
            return f"The server ended the session: {exc}"
        case APIConnectionError() | ConnectionError():
            return f"No server answers at {base_url}: start one with `qwen-asr-compat serve`, or say --local."
        case _:
            return str(exc)


def _refused(status: int, body: bytes) -> str:
    """An error in OpenAI's shape, in the answer to a WebSocket's opening."""
    try:
        error: dict[str, Any] = msgspec.json.decode(body, type=dict[str, dict[str, Any]])["error"]
        return f"{status} {error['code']}: {error['message']}"
    except (msgspec.DecodeError, KeyError):
        return f"The server refused the session with status {status}."
