"""Runs a command in a pseudo-terminal, its controlling terminal, and reads the output with a terminal emulator."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import pyte

CTRL_C = b"\x03"
_LEAD = (
    "import fcntl, os, sys, termios;"
    "fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0);"
    "os.close(int(sys.argv[1]));"
    "os.execv(sys.argv[2], sys.argv[2:])"
)


class Terminal:
    """A terminal with a running command. `status`: the exit status, after `rest` has returned."""

    def __init__(self, process: subprocess.Popen[bytes], own: int, rows: int, columns: int) -> None:
        self._process = process
        self._own = own
        self.screen = pyte.HistoryScreen(columns, rows, history=10_000, ratio=1.0)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.status: int | None = None

    def type(self, keys: bytes) -> None:
        os.write(self._own, keys)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def until(self, text: str) -> None:
        """Read until the text is on the screen or in the scrollback."""
        while text not in self.shown():
            assert self._more(), f"ended without {text!r}: {self.shown()}"

    def rest(self) -> str:
        """Read to the end, and return the scrollback and the screen."""
        while self._more():
            pass
        self.status = self._process.wait(timeout=30)
        return self.shown()

    def shown(self) -> str:
        """Return the lines of the scrollback and the screen without trailing spaces."""
        lines = [*self.screen.history.top, *(self.screen.buffer[row] for row in range(self.screen.lines))]
        text = ["".join(line[column].data for column in range(self.screen.columns)).rstrip() for line in lines]
        return "\n".join(text).rstrip("\n")

    def unwrapped(self) -> str:
        """Return the text of `shown` without line breaks."""
        return self.shown().replace("\n", "")

    def _more(self) -> bool:
        try:
            block = os.read(self._own, 65536)
        except OSError:  # Linux raises this when the last process has closed the terminal
            return False
        self._stream.feed(block)
        self.raw += block
        return bool(block)


@contextlib.contextmanager
def terminal(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    rows: int = 24,
    columns: int = 80,
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
    stderr: IO[bytes] | None = None,
) -> Iterator[Terminal]:
    """Run a command in a terminal. Standard streams that are not given are the terminal."""
    own, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    sized = ("COLUMNS", "LINES")  # programs prefer these to the terminal's own size
    plain = {"TERM": "xterm-256color", **{name: value for name, value in environment.items() if name not in sized}}
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", _LEAD, str(theirs), *command],
        cwd=folder,
        env=plain,
        stdin=stdin or theirs,
        stdout=stdout or theirs,
        stderr=stderr or theirs,
        pass_fds=[theirs],
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, own, rows, columns)
    finally:
        process.kill()
        process.wait(timeout=30)
        os.close(own)
