"""JSON and URL-encoded request bodies: the fields of the multipart form, with a `url` instead of a file."""

from __future__ import annotations

import codecs
import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from compat.catalogue.nesting import too_deep
from compat.errors import BadRequest, EncodedBody, TooLarge
from compat.openai_api import surrogates

LARGEST = 4 << 20  # bytes
MOST = 1 << 14
"""Most values in a JSON or URL-encoded body: parsing each blocks the event loop for some microseconds."""
MOST_ESCAPES = 1 << 18
"""Most percent escapes in a URL-encoded body (base64 needs them for + and /). A body that also has unescaped non-ASCII
characters is limited to `MOST` escapes, because Python decodes it more slowly."""


def check_encoding(request: Request) -> None:
    """Raise EncodedBody for a compressed body."""
    encoding = request.headers.get("content-encoding", "").strip()
    if encoding.lower() not in ("", "identity"):
        raise EncodedBody(f"The body is compressed (Content-Encoding: {encoding[:40]}): send it uncompressed.")


async def read_whole(request: Request, largest: int, param: str) -> bytes:
    """Return the body of a request. Raises EncodedBody, and TooLarge beyond `largest` bytes, with this `param`."""
    check_encoding(request)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            raise TooLarge(f"The body is larger than {largest} bytes.", param=param)
    return bytes(body)


class Texts:
    """A parser for JSON and URL-encoded bodies. Call `feed` with the chunks, then `end`; `fields` keep their order."""

    MISSING = (
        "This body has no audio: send multipart/form-data with the fields file and model, or the audio's "
        "address in url."
    )

    def __init__(self, kind: bytes) -> None:
        self.fields: list[tuple[str, str]] = []
        self.files = 0
        self.named = False
        self._json = kind == b"application/json"
        self._body = bytearray()

    @property
    def text(self) -> int:
        """Bytes received so far."""
        return len(self._body)

    def feed(self, data: bytes) -> None:
        """Add a chunk of the body. Raises BadRequest if the body is too long."""
        self._body += data
        if len(self._body) > LARGEST:
            raise BadRequest("The body is too long for fields without a file: send multipart/form-data.", param="file")

    def end(self) -> None:
        """Parse the body into `fields`. Raises BadRequest."""
        body = self._body.removeprefix(codecs.BOM_UTF8)
        if _crowded(body, b",[{") if self._json else _crowded(body, b"&") or _escaped(body):
            self._check_form()
            raise BadRequest(
                "The body has too many values or escapes: send multipart/form-data, or fewer of them.", param="file"
            )
        try:
            self.fields = _members(body) if self._json else parse_qsl(body.decode(), keep_blank_values=True)
        except (msgspec.MsgspecError, RecursionError, ValueError) as exc:
            self._check_form()
            if self._json:
                place = re.search(r"byte \d+(?=\))", str(exc))
                where = f" (it breaks at {place[0]})" if place else ""
                raise BadRequest(
                    f"The body is not a well-formed JSON object in UTF-8{where}: correct it, or send "
                    "multipart/form-data."
                ) from exc
            raise BadRequest(
                "The body is not a URL-encoded form, although Content-Type says so: send multipart/form-data."
            ) from exc
        self._check_form()

    def _check_form(self) -> None:
        if self._body.startswith(b"--"):
            raise BadRequest("The body is multipart/form-data, but Content-Type is not: let the client library set it.")


def _crowded(body: bytes | bytearray, separators: bytes) -> bool:
    return sum(map(body.count, separators)) > MOST


def _escaped(body: bytes | bytearray) -> bool:
    return body.count(b"%") > (MOST_ESCAPES if body.isascii() else MOST)


def _members(body: bytes | bytearray) -> list[tuple[str, str]]:
    """Return a JSON object's members as form fields. An array of strings becomes a repeated field."""
    try:
        members = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        if len(body) > MOST_ESCAPES:
            raise
        members = msgspec.json.decode(surrogates.replaced(body.decode()), type=dict[str, Any])
    if too_deep(members):
        raise ValueError
    return [(name, text) for name, value in members.items() for text in _texts(value)]


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - of JSON
    match value:
        case None:
            return []
        case str():
            return [value]
        case list() if all(isinstance(entry, str) for entry in value):
            return value
        case _:
            return [msgspec.json.encode(value).decode()]
