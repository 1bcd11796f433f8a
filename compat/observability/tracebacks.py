"""Exceptions in log entries: their types and places."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterator
from typing import Any


def described(exc: BaseException | None) -> list[dict[str, Any]]:
    """Return the types and tracebacks of an exception and its causes."""
    return [_described(each) for each in _chain(exc)]


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def _described(exc: BaseException) -> dict[str, Any]:
    """Return the type and the traceback of an exception, without its message, which may quote a client's text."""
    frames = traceback.extract_tb(exc.__traceback__)
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    number = exc.errno if isinstance(exc, OSError) else None
    code = {} if number is None else {"errno": errno.errorcode.get(number, str(number))}
    return {"type": type(exc).__name__, **code, "at": places}
