"""Forms as most clients write them, received into one buffer.

The file is found by one search for the boundary and is not copied. Everything unusual is left to `multipart.Parts`,
which gives the same result for the forms that are read here.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec

from compat.endpoints.multipart import MOST_PARTS
from compat.endpoints.searching import find

WHOLE: Final = "compat.whole"
"""The server's ASGI extension, a WholeBody."""
WholeBody: TypeAlias = Callable[[int], Awaitable[bytearray | None]]
"""Receives a body of this many bytes into one buffer. Returns None if that is not possible; it can then be received as
usual."""

_TYPE: Final = re.compile(r"multipart/form-data; ?boundary=([\w'+./:?-]{1,70})", re.ASCII)
_HEAD: Final = re.compile(
    rb'\r\nContent-Disposition: form-data; name="([a-z_]{1,64}(?:\[\])?)"(; filename="[^"\\%\r\n]{1,255}")?'
    rb"(\r\nContent-Type: (?!multipart/)[a-z]+/[a-z0-9.+-]{1,64})?\r\n\r\n",
    re.IGNORECASE,
)
_END: Final = re.compile(rb"--(?:\r\n)?")


class Form(msgspec.Struct, frozen=True):
    """Text fields in order, and the bytes of the file, which has a file name."""

    fields: list[tuple[str, str]]
    file: memoryview


def boundary(content_type: str) -> bytes:
    """Return the boundary in a usual Content-Type, without quotes, or nothing."""
    found = _TYPE.fullmatch(content_type)
    return found[1].encode() if found else b""


def form(body: bytearray, boundary: bytes) -> Form | None:
    """Return the form in `body`, or None if it is not a usual one with a single file."""
    delimiter, fields, file = b"\r\n--" + boundary, [], None
    if not body.startswith(delimiter[2:]):
        return None
    end = len(delimiter) - 2
    for _ in range(MOST_PARTS):
        head = _HEAD.match(body, end)
        if head is None:
            break
        start, end = head.end(), find(body, delimiter, head.end())
        name, named, kind = head.groups()
        if end < 0 or (name == b"file") != bool(named):
            return None
        if named and file is None:
            file = memoryview(body)[start:end].toreadonly()
        elif named or kind or name in (b"_charset_", b"url"):
            return None
        else:
            try:
                fields.append((name.decode(), body[start:end].decode()))
            except UnicodeDecodeError:
                return None
        end += len(delimiter)
    return Form(fields, file) if file and _END.fullmatch(body, end) else None
