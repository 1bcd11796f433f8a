"""Logs: lines for people on a terminal (`human`), otherwise JSON, one object per line. Messages are fixed phrases and
variable data goes into fields. No field ever contains a key, a prompt, a transcript or an audio address.

A thread writes the lines, so that a reader that stalls (a paused terminal, a blocked log driver) delays no request.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import select
import threading
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from compat.config.parsers import LogFormat
from compat.errors import CompatError
from compat.observability.human import HumanFormatter, coloured
from compat.observability.tracebacks import described
from compat.sharing.team import Locked, Team

retries = logging.getLogger("compat.retries")
WAITING = 10_000  # entries that wait to be written; further ones are dropped and counted
GOODBYE = 2.0  # seconds for the last entries at exit


class JsonFormatter(logging.Formatter):
    """`fields` are added to each entry."""

    def __init__(self, fields: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self._fields = fields or {}

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._fields,
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line["exceptions"] = described(record.exc_info[1])
        return msgspec.json.encode(line).decode()


class ThreadedHandler(logging.Handler):
    """Write entries to the file descriptor `fd` in a thread, each in the context `locked`."""

    def __init__(self, fd: int, locked: Locked = contextlib.nullcontext) -> None:
        super().__init__()
        self._fd = fd
        self._locked = locked
        self._lines: queue.Queue[bytes] = queue.Queue(WAITING)
        self._dropped = 0
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(self._line(record))
        except queue.Full:
            self._dropped += 1
        except Exception:  # noqa: BLE001 - as every handler of the standard library
            self.handleError(record)

    def flush(self) -> None:
        """Wait until all entries are written, for at most GOODBYE seconds."""
        with self._lines.all_tasks_done:
            self._lines.all_tasks_done.wait_for(lambda: not self._lines.unfinished_tasks, GOODBYE)

    def _line(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode(errors="backslashreplace")

    def _run(self) -> None:
        while True:
            line = self._lines.get()
            with contextlib.suppress(OSError):  # the disk is full, or the reader has gone
                self._write(line)
                if self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    self._write(self._line(_dropped(dropped)))
            self._lines.task_done()

    def _write(self, line: bytes) -> None:
        with self._locked():
            while line:
                try:
                    line = line[os.write(self._fd, line) :]
                except BlockingIOError:  # another program has made the descriptor non-blocking
                    select.select([], [self._fd], [])


def _dropped(count: int) -> logging.LogRecord:
    record = logging.LogRecord("compat", logging.WARNING, "", 0, "log entries were dropped", (), None)
    record.fields = {"entries": count}
    return record


def retried(details: RetryDetails) -> None:
    """Log that a failed call is repeated after a wait. stamina's own entry says neither what failed nor why."""
    exc = details.caused_by
    error = (isinstance(exc, CompatError) and exc.code) or type(exc).__name__
    fields = {"attempt": details.retry_num, "error": error, "wait_seconds": round(details.wait_for, 1)}
    retries.warning("a call is repeated", extra={"fields": fields})


def start(level: str, form: LogFormat = "auto", team: Team | None = None, worker: int | None = None) -> None:
    """Log to standard error: this server from `level` up, its libraries from `warning` up.

    `form` "auto" means "human" on a terminal and "json" elsewhere. With a `team`, all processes of the server write
    whole entries to one stream, and a worker's have its number.
    """
    set_on_retry_hooks([retried])
    handler = ThreadedHandler(2, team.log_lock() if team else contextlib.nullcontext)
    handler.setFormatter(_formatter(form, None if worker is None else {"worker": worker}))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("compat").setLevel(level.upper())


def _formatter(form: LogFormat, fields: Mapping[str, object] | None) -> logging.Formatter:
    if form == "json" or (form == "auto" and not os.isatty(2)):
        return JsonFormatter(fields)
    return HumanFormatter(fields, colours=coloured(2))
