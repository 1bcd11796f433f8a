"""The output of `transcribe`: progress and errors for people, JSON lines for programs, and transcripts."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, Final, NoReturn
from urllib.parse import unquote

import click
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from compat.cli.outputs import OutputPiece, ended
from compat.cli.recordings import UnreadablePath

MANY: Final = 20  # recordings
STATE: Final = 30  # columns of the longest state


_UNDECODABLE: Final = re.compile("[\ud800-\udfff]")


class Unwritable(click.ClickException):
    """Standard output cannot be written. Not an OSError, which is treated as an error of one recording."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError. The base class would exit the program."""
        raise BrokenPipeError


class Report:
    """Progress and results.

    Progress bars are on standard error. If standard output is a terminal too, the bars are there, so that printed text
    moves them down and is not overwritten. Of more than MANY recordings, a terminal shows failures and the sum at the
    end only. `left`: failed recordings and unreadable paths, which have no transcript.
    """

    def __init__(self, *, quiet: bool, lines: bool) -> None:
        self._console = _Console(stderr=not (sys.stdout.isatty() and sys.stderr.isatty()))
        self._quiet = quiet
        self._lines = lines
        self._bars: dict[OutputPiece, TaskID] = {}
        self._whole: TaskID | None = None
        self._partly: dict[OutputPiece, float] = {}  # seconds that are done
        self._done = self._existing = self.expected = 0
        self._seconds = 0.0
        self._began = time.monotonic()
        self._ignored: set[str] = set()
        self._jobs: set[OutputPiece] = set()  # under way
        self._open_line = self._printed = False
        self.left: list[str] = []
        # Bars that wrap or do not fit on the screen cannot be erased, and would remain in the text. A line as wide as
        # the screen wraps when the terminal echoes ^C.
        width = self._console.width
        small = width < 40 or self._console.height < 8
        self._longest = max(8, min(width // 3, width - STATE))
        bar = min(40, width - self._longest - STATE - 14)
        wide = bar >= 8
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            *([BarColumn(bar, complete_style="green")] if wide else []),
            TextColumn("{task.fields[state]}", markup=False),
            *([TimeElapsedColumn()] if wide else []),
            console=self._console,
            transient=True,
            auto_refresh=False,  # a second thread that draws would now and then erase the last line of a transcript
            disable=quiet or lines or small or not self._console.is_terminal,
        )

    @contextlib.contextmanager
    def showing(self, pieces: Sequence[OutputPiece]) -> Iterator[None]:
        """Show a progress bar for all recordings, and one for each recording in progress."""
        self.expected = self.expected or len(pieces)
        total = sum(piece.seconds for piece in pieces)
        self._whole = self._progress.add_task("all", total=total or None, state="")
        self._sum_up()
        with self._progress:
            yield

    def _sum_up(self) -> None:
        if self._whole is not None:
            whole, completed = self._progress.tasks[0], sum(self._partly.values())
            counts = [f"{self._done + len(self.left)} of {self.expected}"] if self.expected > 1 else []
            clocks = [f"{_clock(completed)} of {_clock(whole.total)}"] if whole.total else []
            state = ", ".join(counts + clocks)
            self._progress.update(self._whole, completed=completed, state=state)

    def _bar(self, piece: OutputPiece) -> TaskID:
        if piece not in self._bars:
            self._bars[piece] = self._progress.add_task(self._short(piece.name), total=None, state="")
        return self._bars[piece]

    def _short(self, name: str) -> str:
        """Return the end of a name, which is what distinguishes it, in at most `_longest` columns."""
        shown = printable(name)
        if cell_len(shown) <= self._longest:
            return shown
        while cell_len(shown) >= self._longest:
            shown = shown[1:]
        return f"…{shown}"

    def downloading(self, piece: OutputPiece) -> Callable[[int, int], None]:
        """Show a download's progress bar. Return a callback for the bytes so far, and in all (0 if unknown)."""

        def arrived(size: int, whole: int) -> None:
            state = f"downloading {size / 1e6:.1f}{f' of {whole / 1e6:.1f}' if whole else ''} MB"
            self._progress.update(self._bar(piece), completed=size, total=whole or None, state=state)

        return arrived

    def advanced(self, piece: OutputPiece, job: Mapping[str, Any]) -> None:
        """Show the state of a recording's job, as the server reports it."""
        done = job.get("progress")
        waiting = "queued" if job.get("status") == "queued" else "recognising"
        state = waiting if done is None else f"recognising {done:.0%}"
        total = None if done is None else 1.0  # None: the bar shows activity only
        self._progress.update(self._bar(piece), total=total, completed=done or 0.0, state=state)
        self._partly[piece] = (done or 0.0) * piece.seconds
        self._jobs.add(piece)
        self._sum_up()

    def begun(self, piece: OutputPiece, size: int) -> Callable[[int], None]:
        """Show a recording's progress bar. Return a callback for the number of bytes read so far."""
        bar = self._bar(piece)
        self._progress.update(bar, total=size, completed=0, state="sending")

        def read(position: int) -> None:
            sent = f"{position / 1e6:.1f} of {size / 1e6:.1f} MB"
            state = "recognising" if position >= size else f"sending {sent}"
            self._progress.update(bar, completed=position, state=state)

        return read

    def redraw(self) -> None:
        """Draw the progress bars again. A closed or full standard error does not stop the command."""
        with self._drawing():
            self._progress.refresh()

    def streamed(self, text: str) -> None:
        """Print a part of a text on standard output as it comes. An empty part ends the line."""
        text = text if text or not self._open_line else "\n"
        self._open_line = bool(text) and not text.endswith("\n")
        with _writing():
            click.echo(harmless(text) if sys.stdout.isatty() else text.encode(), nl=False)

    def transcript(self, text: str) -> None:
        """Print a transcript on standard output, above the bars. A file or pipe gets its exact text. Raises OSError."""
        text, self._printed = ended(text), True
        with _writing():
            if not sys.stdout.isatty():
                click.echo(text.encode(), nl=False)
            elif self._progress.live.is_started:
                self._console.print(Text(harmless(text).removesuffix("\n")), soft_wrap=True)
            else:
                click.echo(harmless(text), nl=False)

    def finished(
        self,
        piece: OutputPiece,
        status: str,
        error: str | None = None,
        *,
        seconds: float | None = None,
        missing: Mapping[str, float | str] | None = None,
    ) -> None:
        """Report the end of a recording. `seconds`: what could be decoded of it. `missing`: the seconds `promised` and
        `decoded` of a damaged file, and the `finish_reason` of an unfinished text."""
        if piece in self._bars and self._whole is not None:
            self._progress.remove_task(self._bars.pop(piece))
            self._partly[piece] = piece.seconds
        self._jobs.discard(piece)
        self._done += error is None
        self._existing += status == "exists"
        self._seconds += seconds or 0
        target = str(piece.target) if piece.target else None
        if self._lines:
            others = [str(other) for other in piece.others]
            self._line(piece.name, target, status, seconds, error, missing, others)
        if error is not None:
            self._failed(piece.name, error)
        elif not (self._quiet or self._lines or (self._console.is_terminal and self.expected > MANY)):
            result = "already exists (use --force to overwrite)" if status == "exists" else status
            if target is not None:
                also = ", ".join(other.suffix[1:] for other in piece.others)
                self._print(f"{target}{f' ({also})' if also else ''}: {result}")
        self._sum_up()
        if missing and not self._lines:
            if "decoded" in missing:
                self._print(f"{piece.name}: {decoded_part(missing)}", "yellow")
            if "finish_reason" in missing:
                self._print(f"{piece.name}: DashScope did not finish the text ({missing['finish_reason']})", "yellow")

    def note(self, text: str) -> None:
        """Print a note about the command, which is only for people."""
        if not (self._quiet or self._lines):
            self._print(text, "yellow")

    def ignored(self, header: str) -> None:
        """Name the options without effect, each once. `header`: that of the response."""
        names = [unquote(name.strip()) for name in header.split(",") if name.strip()]
        new = [name for name in names if name not in self._ignored]
        self._ignored.update(new)
        if new:
            self.note(f"Without effect on this server: {', '.join(new)}")

    def unreadable(self, path: UnreadablePath) -> None:
        if self._lines:
            self._line(path.name, None, "failed", None, path.why)
        self._failed(path.name, path.why)

    def ending(self) -> None:
        """Sum up, and list recordings without a transcript, whose errors may have scrolled away."""
        if self._done + len(self.left) > 1 and not (self._quiet or self._lines or self._printed):
            counts = {"done": self._done - self._existing, "already there": self._existing, "failed": len(self.left)}
            parts = [f"{count} {name}" for name, count in counts.items() if count]
            audio = f"; {_clock(self._seconds)} of audio in {_clock(time.monotonic() - self._began)}"
            self._print(f"{', '.join(parts)}{audio if self._seconds else ''}")
        if len(self.left) + self._done > 1 and self.left:
            self._print(f"No transcript ({len(self.left)}): {', '.join(self.left)}", "red")

    def stopped(self, pieces: int, *, kept: bool, force: bool) -> None:
        """Report Ctrl-C. `kept`: transcripts are files, which the same command finds again unless `force` is set."""
        jobs = f" The server completes {len(self._jobs)} that it has begun." if self._jobs else ""
        again = f" {'Without --force the' if force else 'The'} same command continues with the others."
        self._print(f"Stopped: {self._done} of {pieces} done.{jobs}{again if kept else ''}")

    def _line(
        self,
        source: str,
        target: str | None,
        status: str,
        seconds: float | None,
        error: str | None,
        missing: Mapping[str, float | str] | None = None,
        others: Sequence[str] = (),
    ) -> None:
        line: dict[str, Any] = {"file": source, "output": target, "status": status, "seconds": seconds}
        line |= {"outputs": [target, *others]} if others else {}
        line |= ({"error": error} if error else {}) | ({"truncated": missing} if missing else {})
        with _writing():
            click.echo(as_json(line))

    def _failed(self, name: str, error: str) -> None:
        self.left.append(name)
        self._print(f"{name}: {error}", "red")

    def _print(self, text: str, style: str = "") -> None:
        """Print a message. A closed or full standard error does not stop the command."""
        with self._drawing():
            self._console.print(Text(printable(text), style=style), soft_wrap=True)

    @contextlib.contextmanager
    def _drawing(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            _discard(self._console.file)


def _clock(seconds: float) -> str:
    """Return a duration such as 0:07 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def printable(text: str) -> str:
    """Return a file name without its control characters and undecodable bytes."""
    return "".join(char if char.isprintable() else "�" for char in text)


def harmless(text: str) -> str:
    """Return text from a server without control characters, which a terminal would execute.

    Joiners and direction marks are kept, since some scripts need them.
    """
    return "".join("�" if unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t" else char for char in text)


def decoded_part(missing: Mapping[str, float | str]) -> str:
    """Return a note that only `decoded` of the `promised` seconds in a file's header could be decoded."""
    return f"{missing['decoded']:.1f} of {missing['promised']:.1f} s could be decoded"


def as_json(line: dict[str, Any]) -> str:
    """Return a line of JSON. Non-ASCII characters are escaped if some of them are not printable, and in a locale
    without UTF-8. Undecodable bytes of a file name become U+FFFD: UTF-8 has no other form for them, and most programs
    refuse their escapes."""
    text = _UNDECODABLE.sub("�", json.dumps(line, ensure_ascii=False))
    plain = printable(text) == text and (sys.stdout.encoding or "").lower() in ("utf-8", "utf8")
    return text if plain else json.dumps(json.loads(text))


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Raise Unwritable if the disk is full or standard output is closed: later results could not be printed either."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        _discard()
        raise Unwritable(f"Standard output cannot be written: {exc.strerror}.") from exc


def unread() -> NoReturn:
    """Exit after a broken pipe (… | head). The buffer is discarded, since flushing it at exit would fail."""
    _discard()
    raise SystemExit(1)


def _discard(file: IO[str] | None = None) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), (file or sys.stdout).fileno())
