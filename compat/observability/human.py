"""Log entries for people: a line for each, in colour on a terminal.

14:03:07 POST /v1/audio/transcriptions 200 5.5 s  model=qwen3-asr-flash road=chat audio_seconds=44.4 …
14:03:09 warning a call is repeated  attempt=1 error=rate_limit_exceeded wait_seconds=2.0
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from compat.observability.tracebacks import described

_LEVELS: Final = {"debug": "2", "warning": "33", "error": "31", "critical": "31"}
_FIRST: Final = ("method", "path", "status", "ms")  # these begin the line of a request
_LAST: Final = ("upload_ms", "audio_bytes", "render_ms", "client", "request_id")  # and these end it


def coloured(fd: int) -> bool:
    """Return whether to write colours to the file descriptor: to a terminal, unless NO_COLOR is set."""
    return os.isatty(fd) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class HumanFormatter(logging.Formatter):
    """`fields` are added to each entry."""

    def __init__(self, fields: Mapping[str, object] | None, *, colours: bool) -> None:
        super().__init__()
        self._fields = fields or {}
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {**self._fields, **getattr(record, "fields", {})}
        time = self._coloured(datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S"), "2")
        level = record.levelname.lower()
        named = "" if level == "info" else f"{self._coloured(level, _LEVELS.get(level, ''))} "
        message = record.getMessage()
        if message == "request" and "status" in fields:
            message = self._request(fields)
            fields = {
                name: fields[name] for name in sorted(fields, key=lambda name: name in _LAST) if name not in _FIRST
            }
        lines = "".join(f"\n  {line}" for line in _exceptions(record, fields.pop("exceptions", [])))
        rest = " ".join(f"{name}={_shown(value)}" for name, value in fields.items() if value is not None)
        return f"{time} {named}{message}{self._coloured(f'  {rest}', '2') if rest else ''}{lines}"

    def _request(self, fields: Mapping[str, Any]) -> str:
        status, ms = fields["status"], fields.get("ms", 0.0)
        colour = "32" if status < 400 else "33" if status < 500 else "31"
        took = f"{ms / 1000:.1f} s" if ms >= 1000 else f"{ms:.0f} ms"
        return f"{fields['method']} {_plain(fields['path'])} {self._coloured(str(status), colour)} {took}"

    def _coloured(self, text: str, colour: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._colours and colour else text


def _exceptions(record: logging.LogRecord, given: list[dict[str, Any]]) -> list[str]:
    """Return a line for each exception and for each place of its traceback."""
    exceptions: list[dict[str, Any]] = described(record.exc_info[1]) if record.exc_info else given
    lines = [line for each in exceptions for line in (each["type"], *(f"  {place}" for place in each.get("at", [])))]
    return [_plain(str(line)) for line in lines]


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if text.isprintable() and text and " " not in text else json.dumps(text)


def _plain(text: str) -> str:
    """Return text, such as a path, without characters that a terminal would execute."""
    return text if text.isprintable() else json.dumps(text)
