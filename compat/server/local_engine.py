"""The local engine of a server without a DashScope key: the emulator as a child process, restarted when it dies.

The child listens on a Unix socket in a folder that only this user can read. The parent keeps the listening socket open,
so that requests wait in its queue while a new child starts. The child reads its configuration from a pipe, which keeps
the configuration out of process lists. When the pipe closes, the child exits.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final, Protocol
from urllib.request import getproxies

import msgspec

from compat import processes
from compat.config.variables import SettingsError
from compat.errors import ServiceUnavailable

log = logging.getLogger("compat.local")
PROGRAM: Final = "from compat.emulator.child import main; main()"
SETTLED: Final = 10.0  # seconds after which a death is not an early one
LONGEST: Final = 30.0  # seconds, at most, between two starts
LOADING: Final = 3.0  # seconds for loading a model, until a longer time has been measured
LONGEST_PLACE: Final = 70  # bytes of the folder's path: a socket's path has at most 103 bytes on macOS
FRESH: Final = 3600.0  # seconds between two updates of the socket file's time of access
CAUSE: Final = 200  # characters
GOODBYE: Final = 6.0  # seconds for the child to delete its files


def forget_proxies() -> None:
    """Remove proxy settings from the environment: the local engine is reached without a proxy.

    `NO_PROXY` is not enough, since clients read the proxy settings even for excluded addresses.
    """
    for name in getproxies():
        for variable in (f"{name}_proxy", f"{name}_PROXY".upper()):
            os.environ.pop(variable, None)


def pause(deaths: int) -> float:
    """Return the seconds before the next start after `deaths` early deaths in a row: 0 after the first."""
    return 0.0 if deaths <= 1 else min(2.0 ** (deaths - 2), LONGEST)


def _listening() -> tuple[Path, socket.socket]:
    """Return the path of a new Unix socket, the only file in its folder, and the listening socket."""
    try:
        place = tempfile.gettempdir()
        if len(os.fsencode(place)) > LONGEST_PLACE:
            place = "/tmp"  # noqa: S108 - the folder in it is this user's alone
        path = Path(tempfile.mkdtemp(prefix="qwen-asr-engine-", dir=place)) / "socket"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(2048)
    except OSError as exc:
        raise SettingsError(
            f"The folder for temporary files cannot hold the local engine's socket: {exc.strerror}. Set TMPDIR to "
            "another one."
        ) from exc
    return path, listener


class _ChildEntry(msgspec.Struct, frozen=True):
    """A log entry of the child."""

    level: str
    logger: str
    message: str
    exceptions: list[dict[str, object]] | msgspec.UnsetType = msgspec.UNSET


def relay(lines: IO[bytes]) -> None:
    """Log the entries that the child writes to standard error. Other lines come from C++ libraries and
    are about the hardware; they are logged at debug level."""
    with lines:
        for line in lines:
            try:
                entry = msgspec.json.decode(line, type=_ChildEntry)
            except msgspec.DecodeError:
                text = line.decode(errors="replace").strip()
                log.debug("a library of the local engine wrote a line", extra={"fields": {"line": text[:CAUSE]}})
            else:
                fields = {"exceptions": entry.exceptions} if entry.exceptions else {}
                level = logging.getLevelNamesMapping().get(entry.level.upper(), logging.WARNING)
                logging.getLogger(entry.logger).log(level, entry.message, extra={"fields": fields})


class EngineReport(msgspec.Struct, frozen=True):
    """The state of a supervised engine. Times are of the monotonic clock, which is the same for all processes.

    `deaths` counts early deaths in a row. `down_until` is the time of the next start, while no child runs. `loading` is
    the time in seconds that loading takes. `cause` is the last child's own message about a failed start.
    """

    started: float
    ready: bool = False
    deaths: int = 0
    down_until: float | None = None
    loading: float = LOADING
    cause: str = ""

    @property
    def trouble(self) -> str:
        """The reason why the engine is not ready, as a sentence; an empty string if it is ready."""
        if self.ready:
            return ""
        if self.cause:
            return f"{self.cause} The local engine is being started again."
        if self.down_until is not None:
            return "The local engine has ended and is being restarted."
        return "The local engine is loading its model."

    def check(self) -> None:
        """Raise ServiceUnavailable after two or more early deaths in a row, until a child is ready.

        `retry_after` is the time until the next child is expected to be ready. After a single death nothing is raised:
        requests wait in the socket's queue for the new child.
        """
        if self.deaths > 1 and (trouble := self.trouble):
            ready = (self.down_until or self.started) + self.loading
            raise ServiceUnavailable(trouble, retry_after=round(max(1.0, ready - time.monotonic()), 1))


class AnyEngine(Protocol):
    """An engine that replaces DashScope: its name, and the path of its Unix socket."""

    name: str
    path: Path

    @property
    def report(self) -> EngineReport: ...


class SharedEngine:
    """The engine of a server with several workers, as a worker sees it. `notice` returns the supervisor's report."""

    def __init__(self, name: str, path: Path, notice: Callable[[], bytes]) -> None:
        self.name = name
        self.path = path
        self._notice = notice

    @property
    def report(self) -> EngineReport:
        return msgspec.json.decode(self._notice(), type=EngineReport)


class LocalEngine:
    """A supervised emulator process, reached through the Unix socket at `path`.

    `root` and `key` replace DashScope's address and API key. `start` returns while the child is still loading.
    """

    root: Final = "http://localhost"

    def __init__(
        self,
        engine: str,
        tell: Callable[[bytes], object] | None = None,
        server: Mapping[str, object] | None = None,
    ) -> None:
        """`tell` is called with each report, in JSON. `server` describes the server that the engine `openai` asks, in
        the form of compat.emulator.remote. Raises SettingsError if the socket cannot be created."""
        self.name = engine
        self._server = server
        self._tell = tell
        self.key = secrets.token_urlsafe(32)
        self.path, self._listener = _listening()
        self._closing = threading.Event()
        self._reported(EngineReport(time.monotonic()))
        self._configuration = b""
        self._folder: Path | None = None
        self._watcher: threading.Thread | None = None
        self._child = self._spawn()

    def start(self, folder: Path, most: int, *, fetches: bool) -> None:
        """Start the child and the thread that restarts it.

        `folder`: for the child's files, with at most `most` bytes; deleted by `close`.
        `fetches`: whether the child may download audio from loopback addresses.
        """
        self._folder = folder
        given: dict[str, object] = {
            "fd": self._listener.fileno(),
            "path": str(self.path),
            "engine": self.name,
            "key": self.key,
            "folder": str(folder),
            "disk_bytes": most,
            "reach": ["loopback"] if fetches else [],
            "server": self._server,
        }
        self._configuration = json.dumps(given).encode() + b"\n"
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        threading.Thread(target=self._keep_fresh, daemon=True).start()

    @property
    def pid(self) -> int:
        """The process id of the child."""
        return self._child.pid

    def _reported(self, report: EngineReport) -> None:
        self.report = report
        if self._tell:
            self._tell(msgspec.json.encode(report))

    def _report(self, **changes: Any) -> None:  # noqa: ANN401 - fields of the report
        self._reported(msgspec.structs.replace(self.report, **changes))

    def close(self) -> None:
        """Stop the child and delete its files."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._end()
        if self._watcher is not None:
            self._watcher.join()
        elif self._child.stdout is not None:
            self._child.stdout.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._listener.close()
        shutil.rmtree(self.path.parent, ignore_errors=True)

    def _spawn(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(  # noqa: S603 - our own program
            processes.python(PROGRAM),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[self._listener.fileno()],
            start_new_session=True,  # Ctrl-C in the terminal reaches the parent only
        )
        threading.Thread(target=relay, args=(child.stderr,), daemon=True).start()
        return child

    def _end(self) -> None:
        assert self._child.stdin is not None  # noqa: S101 - a pipe
        with contextlib.suppress(OSError):
            self._child.stdin.close()
        try:
            self._child.wait(GOODBYE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _watch(self) -> None:
        while True:
            started = time.monotonic()
            self._report(started=started)
            status = self._run_child()
            if self._closing.is_set():
                return
            deaths = 1 if time.monotonic() - started >= SETTLED else self.report.deaths + 1
            wait = pause(deaths)
            self._report(ready=False, deaths=deaths, down_until=time.monotonic() + wait)
            fields = {"status": status, "in": wait, "cause": self.report.cause or None}
            log.warning("the local engine has ended and is being restarted", extra={"fields": fields})
            if deaths > 1:
                self._close_queued()
            if self._closing.wait(wait):
                return
            self._child = self._spawn()
            if self._closing.is_set():  # close() has stopped the previous child only
                self._end()
                return

    def _keep_fresh(self) -> None:
        """Touch the socket file every hour: macOS deletes temporary files that are unused for three days."""
        while True:
            with contextlib.suppress(OSError):
                os.utime(self.path)
            if self._closing.wait(FRESH):
                return

    def _close_queued(self) -> None:
        """Close the connections in the socket's queue."""
        while select.select([self._listener], [], [], 0)[0]:
            self._listener.accept()[0].close()

    def _run_child(self) -> int:
        """Send the child its configuration, follow its reports until it exits, and return its exit status."""
        child = self._child
        assert child.stdin is not None  # noqa: S101 - pipes
        assert child.stdout is not None  # noqa: S101
        with contextlib.suppress(OSError, ValueError):  # the child has died, or close() has closed the pipe
            child.stdin.write(self._configuration)
            child.stdin.flush()
        self._report(down_until=None)
        for line in child.stdout:
            state, _, cause = line.decode(errors="replace").strip().partition(" ")
            if state == "ready":
                loading = max(self.report.loading, time.monotonic() - self.report.started)
                self._report(loading=loading, cause="", ready=True)
            elif state == "failed":
                self._report(cause=cause[:CAUSE])
        status = child.wait()
        child.stdout.close()
        with contextlib.suppress(OSError):  # closing flushes what the child has not read
            child.stdin.close()
        return status
