"""Bodies other than multipart forms: the same fields as JSON or as a web form, with a `url` instead of the file."""

from __future__ import annotations

import codecs
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from compat.catalogue.nesting import too_deep
from compat.errors import BadRequest, EncodedBody
from compat.openai_api import halves

LARGEST = 4 << 20  # bytes
MOST = 1 << 14
"""Values in JSON or in a web form: each takes some microseconds to read, in which nobody else is served."""
MOST_ESCAPES = 1 << 18
"""`%41` in a web form, as the + and / of base64 are sent; where it has plain letters beyond ASCII as well, `MOST`."""


def check_encoding(request: Request) -> None:
    """Raises EncodedBody for a compressed body."""
    encoding = request.headers.get("content-encoding", "").strip()
    if encoding.lower() not in ("", "identity"):
        raise EncodedBody(f"The body is encoded (Content-Encoding: {encoding[:40]}); send it as it is.")


class Texts:
    """Feed it the body, then call `end`; `fields` in order."""

    MISSING = (
        "This body has no audio: send multipart/form-data with the fields file and model, or name the audio's address "
        "in url."
    )

    def __init__(self, kind: bytes) -> None:
        self.fields: list[tuple[str, str]] = []
        self.files = 0
        self.named = False
        self._json = kind == b"application/json"
        self._body = bytearray()

    @property
    def text(self) -> int:
        """Bytes so far."""
        return len(self._body)

    def feed(self, data: bytes) -> None:
        """Raises BadRequest."""
        self._body += data
        if len(self._body) > LARGEST:
            raise BadRequest("The body is too long for fields without a file: send multipart/form-data.", param="file")

    def end(self) -> None:
        """Raises BadRequest."""
        kind, body = "a JSON object" if self._json else "a web form", self._body.removeprefix(codecs.BOM_UTF8)
        if _crowded(body, b",[{") if self._json else _crowded(body, b"&") or _escaped(body):
            self._check_form()
            raise BadRequest(
                "The body has too many values or escapes: send multipart/form-data, or fewer of them.", param="file"
            )
        try:
            self.fields = _members(body) if self._json else parse_qsl(body.decode(), keep_blank_values=True)
        except (msgspec.MsgspecError, RecursionError, ValueError) as exc:
            self._check_form()
            raise BadRequest(
                f"Content-Type says that the body is {kind}, and it is none: send multipart/form-data."
            ) from exc
        self._check_form()

    def _check_form(self) -> None:
        if self._body.startswith(b"--"):
            raise BadRequest(
                "The body is multipart/form-data, and Content-Type says otherwise: leave it to the client."
            )


def _crowded(body: bytes | bytearray, separators: bytes) -> bool:
    return sum(map(body.count, separators)) > MOST


def _escaped(body: bytes | bytearray) -> bool:
    return body.count(b"%") > (MOST_ESCAPES if body.isascii() else MOST)


def _members(body: bytes | bytearray) -> list[tuple[str, str]]:
    """A JSON object's members as a form's fields: an array of strings is a repeated field."""
    try:
        members = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        if len(body) > MOST_ESCAPES:
            raise
        members = msgspec.json.decode(halves.replaced(body.decode()), type=dict[str, Any])
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
