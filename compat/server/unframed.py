"""Responses to HTTP/1.0 clients.

HTTP/1.0 has no chunked coding. Without a content-length, the end of the connection marks the end of the body.
"""

from __future__ import annotations

from starlette.types import Message, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


def unframed(cycle: RequestResponseCycle) -> Send:
    """Return a replacement for the cycle's `send`, which would use chunked coding without a content-length."""
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
