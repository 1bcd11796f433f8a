"""Steps of a probe: HTTP requests, and frames of a WebSocket, as a generator without I/O.

A probe yields steps and is sent their answers; `compat.cli.verify` performs them on the network, tests from a list. It
has at most one socket, which the driver closes at the end of the probe or when the next one is opened.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

import msgspec

from compat.dashscope_api.calls import Call, Reply, Submitted, Wait


class Open(msgspec.Struct, frozen=True):
    """Open a socket at `path`. The answer is None, or the HTTP response that refused the upgrade."""

    path: str


class Send(msgspec.Struct, frozen=True):
    """Send frames, `seconds` apart."""

    frames: tuple[str | bytes, ...]
    seconds: float = 0.0


class Receive(msgspec.Struct, frozen=True):
    """Wait up to `seconds` for a frame. The answer is the frame, the end of the connection, or None for no frame.

    `quiet` means that no frame is an expected answer: a driver that shortens waits may shorten this one too.
    """

    seconds: float
    quiet: bool = False


class Ping(msgspec.Struct, frozen=True):
    """Send a ping. The answer is None."""


class Pong(msgspec.Struct, frozen=True):
    """Wait up to `seconds` for the answer to the last ping. The answer is whether there was one."""

    seconds: float


class Closed(msgspec.Struct, frozen=True):
    """The service closed the connection: the code and reason of its close frame, or 1006 without one."""

    code: int
    reason: str = ""


T = TypeVar("T")
Step: TypeAlias = Call | Wait | Submitted | Open | Send | Receive | Ping | Pong
Answer: TypeAlias = Reply | Closed | str | bool | None
Steps: TypeAlias = Generator[Step, Any, T]


class Unanswered(Exception):
    """The service's answer does not decide the question. The message says why."""


def opened(path: str) -> Steps[Reply | None]:
    """Open a socket and return None, or the response that refused it."""
    answer: Reply | None = yield Open(path)
    return answer


def received(seconds: float, *, quiet: bool = False) -> Steps[dict[str, Any] | Closed | None]:
    """Return the next event as decoded JSON, the end of the connection, or None after `seconds`."""
    answer: str | Closed | None = yield Receive(seconds, quiet)
    return decoded(answer) if isinstance(answer, str) else answer


def decoded(text: str | bytes) -> dict[str, Any]:
    """Return a JSON object. Any other text gives an empty one."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def member(value: object, *path: str | int) -> Any:  # noqa: ANN401 - JSON
    """Return a nested member of decoded JSON, or None if there is none."""
    for name in path:
        if isinstance(name, int):
            value = value[name] if isinstance(value, list) and -len(value) <= name < len(value) else None
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value


def refusal(reply: Reply) -> str:
    """Describe a refused request: its status and the service's code."""
    body = decoded(reply.body)
    code = member(body, "error", "code") or member(body, "error", "type") or body.get("code")
    return f"HTTP {reply.status}" + (f", {code}" if code else "")


def accepted(reply: Reply) -> dict[str, Any]:
    """Return the body of a successful response. Raises Unanswered for any other."""
    if not 200 <= reply.status < 300:
        raise Unanswered(refusal(reply))
    return decoded(reply.body)
