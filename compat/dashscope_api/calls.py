"""Flows: multi-step exchanges with DashScope as generators without I/O.

A flow yields Call, Wait and Submitted. The driver sends it a Reply after a Call, and None after a Wait or a Submitted;
it throws network errors into the flow. `upstream/http.py` drives flows over the network, tests from a list of replies.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import msgspec


class File(msgspec.Struct, frozen=True):
    """A file streamed from disk, as raw bytes or as base64. `size` is the size of the file in bytes. With
    `audio`, that is the file's content, and there need not be a file at `path`."""

    path: Path
    size: int
    base64: bool = False
    audio: memoryview | None = None

    @property
    def sent(self) -> int:
        """The number of bytes sent over the wire."""
        return (self.size + 2) // 3 * 4 if self.base64 else self.size


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request.

    `url` is a path on the service (`/api/v1/…`) or an absolute URL. `key` says whether to send the API key, which never
    goes to object stores or result files. `repeatable` says whether the request may be retried after its response was
    lost; it is false if a retry could be billed twice, as for the submission of a task. `rate` names the rate limit
    that the call counts against: a model id or a name in compat.catalogue.rates; empty for none. `bound` means that the
    call refers to something stored in the account, so that another account cannot replace it. `within`: seconds that
    the service may be silent, if that is less than usual.
    """

    method: str
    url: str
    headers: dict[str, str] = {}
    body: tuple[bytes | File, ...] = ()
    key: bool = True
    repeatable: bool = True
    rate: str = ""
    bound: bool = False
    within: float | None = None

    @property
    def length(self) -> int:
        """Content-Length, in bytes."""
        return sum(len(part) if isinstance(part, bytes) else part.sent for part in self.body)


class Wait(msgspec.Struct, frozen=True):
    seconds: float


class Submitted(msgspec.Struct, frozen=True):
    """The service has accepted a task, which it will bill. The task can now be resumed or cancelled by its id."""

    task_id: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A complete HTTP response. Header names are in lower case."""

    status: int
    body: bytes
    headers: dict[str, str] = {}


T = TypeVar("T")
Flow = Generator[Call | Wait | Submitted, Reply | None, T]


def ask(call: Call) -> Flow[Reply]:
    """Yield `call` and return the reply. Raises TypeError if the driver sends none."""
    reply = yield call
    if reply is None:
        raise TypeError("A Call needs a Reply.")
    return reply


def json_call(
    url: str, body: object, headers: dict[str, str] | None = None, *, repeatable: bool = True, rate: str = ""
) -> Call:
    """Return a POST request with `body` as JSON."""
    return Call(
        method="POST",
        url=url,
        headers={"content-type": "application/json", **(headers or {})},
        body=(msgspec.json.encode(body),),
        repeatable=repeatable,
        rate=rate,
    )
