"""HTTP/1.1 without I/O: heads of requests, and a parser of responses built on httptools."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import Final, NoReturn

import httpx2
from httptools import HttpParserError, HttpResponseParser

CHUNK: Final = 64 << 10  # longest chunk of a body in bytes, because httpx2 decompresses a chunk at once
FRAMING: Final = 100 << 10  # bytes of heads, chunk sizes and trailers in a row

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_HEAD: Final = re.compile(
    rb"%b [\x21-\x7e]+ HTTP/1\.1\r\n(?:%b: [^\x00-\x08\x0a-\x1f\x7f]*\r\n)*\r\n" % (_TOKEN, _TOKEN)
)


class RequestHead:
    """The bytes of a request's head, `data`, and the `length` of its body, which is None if the body is sent in
    chunks."""

    def __init__(self, method: str, path: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Raises LocalProtocolError if the head contains characters that are not allowed."""
        self.method = method
        self.length: int | None = 0
        lines = [b"%b %b HTTP/1.1" % (method.encode(), path)]
        for name, value in headers:
            lines.append(b"%b: %b" % (name, value))
            lowered = name.lower()
            if lowered == b"content-length":
                self.length = int(value)
            elif lowered == b"transfer-encoding":
                self.length = None
        self.data = b"\r\n".join((*lines, b"", b""))
        if self.data.count(b"\n") != len(lines) + 1 or not _HEAD.fullmatch(self.data):
            raise httpx2.LocalProtocolError("The request's head contains illegal characters.")


class ResponseParser:
    """Parses one response. 1xx responses are skipped. The body gathers in `chunks`, which are at most CHUNK long."""

    def __init__(self, *, head_only: bool) -> None:
        """`head_only` is whether the response to this method has no body, as for HEAD."""
        self.status = 0
        """The status once the head is complete, else 0."""
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: deque[bytes] = deque()
        self.size = 0
        """Bytes of the body that were parsed."""
        self.done = False
        """Whether the response is complete."""
        self.reusable = False
        """Whether the connection may serve another request after this response."""
        self._head_only = head_only
        self._interim = False
        self._framing = 0
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Parse `data`. Raises RemoteProtocolError. Bytes after the end of the response only make the connection
        unusable."""
        if self._parser is None:
            self.reusable = False
            return
        size = self.size
        try:
            self._parser.feed_data(data)
        except HttpParserError as exc:
            self.reusable = False
            if not self.done:
                raise httpx2.RemoteProtocolError(f"The response is not HTTP/1.1: {exc}") from exc
        if self.done:
            self.stop()
        elif self.size > size:
            self._framing = 0
        else:
            self._framing += len(data)
            if self._framing > FRAMING:
                raise httpx2.RemoteProtocolError(
                    f"The response has a head or a trailer of more than {FRAMING >> 10} KiB."
                )

    def eof(self) -> None:
        """End the response, whose connection was closed. Raises RemoteProtocolError if it is not complete."""
        self.reusable = False
        if self.done:
            return
        if not self.status:
            raise httpx2.RemoteProtocolError("Server disconnected without sending a response.")
        sized = (
            name.lower() == b"content-length" or (name.lower() == b"transfer-encoding" and b"chunked" in value.lower())
            for name, value in self.headers
        )
        if any(sized):
            raise httpx2.RemoteProtocolError(
                f"Server disconnected within the body of a response, after {self.size} bytes."
            )
        self.done = True
        self.stop()

    def stop(self) -> None:
        """Drop httptools' parser, which refers to this object."""
        self._parser = None

    # called by httptools

    def on_message_begin(self) -> None:
        if self.done:
            self._reject()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:  # else it is a trailer
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._open.get_status_code()
        self._interim = 100 <= status < 200
        if status == 101:
            self._reject()
        if not self._interim:
            self.status = status
            self.done = self._head_only

    def on_body(self, data: bytes) -> None:
        if self.done:
            self._reject()
        self.size += len(data)
        if len(data) <= CHUNK:
            self.chunks.append(data)
        else:
            self.chunks.extend(data[at : at + CHUNK] for at in range(0, len(data), CHUNK))

    def on_message_complete(self) -> None:
        if self._interim:
            self.headers = []
        else:
            self.done = True
            self.reusable = self._open.should_keep_alive()

    @property
    def _open(self) -> HttpResponseParser:
        assert self._parser is not None  # noqa: S101 - it calls the methods above
        return self._parser

    def _reject(self) -> NoReturn:
        """Make httptools stop with a HttpParserError."""
        raise ValueError("unexpected data")
