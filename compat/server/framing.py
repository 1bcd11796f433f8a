"""Message framing: refuse requests whose end is ambiguous, and frame responses to HTTP/1.0 clients."""

from __future__ import annotations

import re
from typing import Final

from starlette.types import Message, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_HOST: Final = re.compile(rb"([\w.~!$&'()*+;=%-]*|\[[\w:.]*\])(:\d*)?")


def unambiguous(version: str, headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether every reader, such as a proxy and this server, finds the same host and the same end of the body.

    RFC 9112, 3.2 and 6.1.
    """
    hosts = [value for name, value in headers if name == b"host"]
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if version not in ("1.0", "1.1") or len(hosts) > 1 or (version == "1.1" and not hosts):
        return False
    return all(_HOST.fullmatch(host) for host in hosts) and (
        not codings or (version == "1.1" and codings == [b"chunked"])
    )


def unframed(cycle: RequestResponseCycle) -> Send:
    """Return a `send` for an HTTP/1.0 client, in place of the cycle's own.

    HTTP/1.0 has no chunked coding: without a content-length, the end of the connection marks the end of the body.
    """
    send: Send = cycle.send  # type: ignore[assignment]  # uvicorn's messages are typed more closely
    framed = True

    async def without_chunks(message: Message) -> None:
        nonlocal framed
        if message["type"] == "http.response.start":
            framed = any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))
            if not framed:
                cycle.chunked_encoding = False
        elif not framed:
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    return without_chunks
