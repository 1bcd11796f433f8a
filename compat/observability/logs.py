"""JSON logs, one object per line. Messages are fixed phrases and variable data goes into fields. No field ever contains
a key, a prompt, a transcript or an audio address."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line["exceptions"] = [_described(exc) for exc in _chain(record.exc_info[1])]
        return msgspec.json.encode(line).decode()


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def _described(exc: BaseException) -> dict[str, object]:
    """Return the type and the traceback of an exception, without its message, which may quote a client's text."""
    frames = traceback.extract_tb(exc.__traceback__)
    return {"type": type(exc).__name__, "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]}


def start(level: str) -> None:
    """Log to standard error: this server from `level` up, its libraries from `warning` up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("compat").setLevel(level.upper())
