"""All that a translator may ask of the world, and all that it is told: Call, Wait, Submitted, Reply.

A flow is a generator that yields them and is sent a Reply after a Call, None after a Wait or a Submitted. Who performs
them is not its business: `upstream/http.py` does it with a network, a test with a list. What the network does wrong is
thrown into the flow.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import msgspec


class File(msgspec.Struct, frozen=True):
    """Bytes of a file, streamed from disk as they are or as base64. `size` is that of the file, in bytes."""

    path: Path
    size: int
    base64: bool = False

    @property
    def sent(self) -> int:
        """How many bytes go over the wire."""
        return (self.size + 2) // 3 * 4 if self.base64 else self.size


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request.

    `url` is a path on the service's root (`/api/v1/…`) or a whole address. `key`: whether the API key goes with it
    (never to object stores and result files). `repeatable`: whether it may be sent again when its answer was lost; not
    where that costs twice, as for a task that is submitted twice. `rate`: whose limit it counts against, a model's id
    or a name of compat.catalogue.rates; without one it counts against none.
    """

    method: str
    url: str
    headers: dict[str, str] = {}
    body: tuple[bytes | File, ...] = ()
    key: bool = True
    repeatable: bool = True
    rate: str = ""

    @property
    def length(self) -> int:
        """Content-Length, in bytes."""
        return sum(len(part) if isinstance(part, bytes) else part.sent for part in self.body)


class Wait(msgspec.Struct, frozen=True):
    seconds: float


class Submitted(msgspec.Struct, frozen=True):
    """The service has taken a task and will bill it: from here on the task can be resumed or cancelled by its id."""

    task_id: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer. Header names are in lower case."""

    status: int
    body: bytes
    headers: dict[str, str] = {}


T = TypeVar("T")
Flow = Generator[Call | Wait | Submitted, Reply | None, T]


def ask(call: Call) -> Flow[Reply]:
    """Yields `call` and returns the answer to it."""
    reply = yield call
    if reply is None:
        raise TypeError("A Call is answered with a Reply.")
    return reply


def json_call(
    url: str, body: object, headers: dict[str, str] | None = None, *, repeatable: bool = True, rate: str = ""
) -> Call:
    """A POST of `body` as JSON."""
    return Call(
        method="POST",
        url=url,
        headers={"content-type": "application/json", **(headers or {})},
        body=(msgspec.json.encode(body),),
        repeatable=repeatable,
        rate=rate,
    )
