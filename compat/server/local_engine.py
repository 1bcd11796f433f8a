"""The local engine of a server without a DashScope key: the emulator as a child process, restarted when it dies.

It listens on a Unix socket in a folder of this user's alone. The listening socket stays here, so that calls made while
a new child starts wait in its queue rather than fail. Its configuration goes over a pipe, so that process lists do not
show it; when the pipe closes, the child ends.
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
from pathlib import Path
from typing import Final
from urllib.request import getproxies

from compat import processes
from compat.config.variables import SettingsError
from compat.errors import ServiceUnavailable

log = logging.getLogger("compat.local")
PROGRAM: Final = "from compat.emulator.child import main; main()"
SETTLED: Final = 10.0  # seconds after which a child is no failure to start
LONGEST: Final = 30.0  # seconds between two starts of a child that dies at once
LOADING: Final = 3.0  # seconds that a model takes to load, unless it was seen to take longer
LONGEST_PLACE: Final = 70  # bytes of the path of a folder in which a socket's path has at most 103, as on macOS
FRESH: Final = 3600.0  # seconds between two uses of the socket's file that the system sees
GOODBYE: Final = 6.0  # seconds for the child to clear its files away


def forget_proxies() -> None:
    """None leads to this machine. Clients would read them even for addresses that `NO_PROXY` spares."""
    for name in getproxies():
        for variable in (f"{name}_proxy", f"{name}_PROXY".upper()):
            os.environ.pop(variable, None)


def pause(deaths: int) -> float:
    """Seconds before the next start, after this many early deaths in a row: 0 after the first."""
    return 0.0 if deaths <= 1 else min(2.0 ** (deaths - 2), LONGEST)


def _listening() -> tuple[Path, socket.socket]:
    """A Unix socket that listens, and its path: the only file of its folder."""
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


class LocalEngine:
    """`root` and `key` take the place of DashScope's, the Unix socket at `path` that of the network. The child loads in
    the background, from `start` on."""

    root: Final = "http://localhost"

    def __init__(self, engine: str) -> None:
        """Raises SettingsError where no socket can be made."""
        self.name = engine
        self.key = secrets.token_urlsafe(32)
        self.path, self._listener = _listening()
        self._closing = threading.Event()
        self._ready = False
        self._deaths = 0  # in a row, of children that lived for a short while
        self._down_until: float | None = None  # a time to come, while no child runs
        self._started = time.monotonic()
        self._loading = LOADING
        self._cause = ""  # why the last child could not start, as it said
        self._told = b""
        self._folder: Path | None = None
        self._watcher: threading.Thread | None = None
        self._child = self._spawn()

    def start(self, folder: Path, most: int, *, fetches: bool) -> None:
        """`folder` is the child's alone, with at most `most` bytes in it; `fetches`: audio at addresses of loopback."""
        self._folder = folder
        given = {
            "fd": self._listener.fileno(),
            "path": str(self.path),
            "engine": self.name,
            "key": self.key,
            "folder": str(folder),
            "disk_bytes": most,
            "reach": ["loopback"] if fetches else [],
        }
        self._told = json.dumps(given).encode() + b"\n"
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        threading.Thread(target=self._freshen, daemon=True).start()

    @property
    def trouble(self) -> str:
        """Why it cannot work at full speed, or nothing."""
        if self._ready:
            return ""
        if self._cause:
            return f"{self._cause} The local engine is being started again."
        if self._down_until is not None:
            return "The local engine has ended and is being restarted."
        return "The local engine is loading its model."

    def check(self) -> None:
        """Raises ServiceUnavailable while children die in a row, with the seconds until the next one has loaded its
        model; calls wait for the successor of the first."""
        if self._deaths > 1 and (trouble := self.trouble):
            ready = (self._down_until or self._started) + self._loading
            raise ServiceUnavailable(trouble, retry_after=round(max(1.0, ready - time.monotonic()), 1))

    def close(self) -> None:
        """Ends the child, and removes what it has written."""
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
        return subprocess.Popen(  # noqa: S603 - our own program
            processes.python(PROGRAM),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[self._listener.fileno()],
            start_new_session=True,  # the terminal's Ctrl-C is the parent's
        )

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
            started = self._started = time.monotonic()
            status = self._lived()
            if self._closing.is_set():
                return
            self._deaths = 1 if time.monotonic() - started >= SETTLED else self._deaths + 1
            wait = pause(self._deaths)
            self._ready, self._down_until = False, time.monotonic() + wait
            told = {"status": status, "in": wait, "cause": self._cause or None}
            log.warning("the local engine has ended and is being restarted", extra={"fields": told})
            if self._deaths > 1:
                self._send_away()
            if self._closing.wait(wait):
                return
            self._child = self._spawn()
            if self._closing.is_set():  # close() has waited for the one before
                self._end()
                return

    def _freshen(self) -> None:
        """macOS removes from its folders for temporary files what nobody has used for three days."""
        while True:
            with contextlib.suppress(OSError):
                os.utime(self.path)
            if self._closing.wait(FRESH):
                return

    def _send_away(self) -> None:
        """Ends what waits in the socket's queue."""
        while select.select([self._listener], [], [], 0)[0]:
            self._listener.accept()[0].close()

    def _lived(self) -> int:
        """Send the child its configuration, wait until it is ready, then for its end; return its status."""
        child = self._child
        assert child.stdin is not None  # noqa: S101 - pipes
        assert child.stdout is not None  # noqa: S101
        with contextlib.suppress(OSError, ValueError):  # it died at once, or is closed already
            child.stdin.write(self._told)
            child.stdin.flush()
        self._down_until = None
        for line in child.stdout:
            said, _, cause = line.decode(errors="replace").strip().partition(" ")
            if said == "ready":
                self._loading = max(self._loading, time.monotonic() - self._started)
                self._cause, self._ready = "", True
            elif said == "failed":
                self._cause = cause
        status = child.wait()
        child.stdout.close()
        with contextlib.suppress(OSError):  # what it never read
            child.stdin.close()
        return status
