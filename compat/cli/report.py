"""How it goes: progress and errors for people, lines on standard output for programs, transcripts without a file."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from compat.cli.outputs import OutputPiece, ended
from compat.cli.recordings import UnreadableFolder


class Unwritable(click.ClickException):
    """Standard output takes no more. Not an OSError: that would be one recording's."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """The end of what is said is not that of the program."""
        raise BrokenPipeError


class Report:
    """Bars are on standard error; on standard output where both are terminals, so that what is printed moves them
    down and is not drawn over. `left` holds what has no transcript: failed recordings, and names that led nowhere."""

    def __init__(self, *, quiet: bool, lines: bool) -> None:
        self._console = _Console(stderr=not (sys.stdout.isatty() and sys.stderr.isatty()))
        self._quiet = quiet
        self._lines = lines
        self._bars: dict[OutputPiece, TaskID] = {}
        self._whole: TaskID | None = None
        self._done = 0
        self.left: list[str] = []
        # Bars that wrap, or are more than the screen has lines, cannot be erased and would stay between the words.
        small = self._console.width < 40 or self._console.height < 8
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=quiet or lines or small or not self._console.is_terminal,
        )

    @contextlib.contextmanager
    def showing(self, pieces: Sequence[OutputPiece]) -> Iterator[None]:
        """A bar for all, and one for each recording that is under way."""
        total = sum(piece.seconds for piece in pieces)
        self._whole = self._progress.add_task("all", total=total or None, state=f"0 of {total:.0f} s of audio")
        with self._progress:
            yield

    def begun(self, piece: OutputPiece, size: int) -> Callable[[int], None]:
        """What to call with the number of bytes read so far."""
        bar = self._bars[piece] = self._progress.add_task(printable(piece.name), total=size, state="sending")

        def read(position: int) -> None:
            sent = f"{position / 1e6:.1f} of {size / 1e6:.1f} MB"
            state = "recognising" if position >= size else f"sending {sent}"
            self._progress.update(bar, completed=position, state=state)

        return read

    def transcript(self, text: str) -> None:
        """Print on standard output, above the bars; a file or pipe gets exactly what a file would. Raises OSError."""
        text = ended(text)
        with _writing():
            if not sys.stdout.isatty():
                click.echo(text.encode(), nl=False)
            elif self._progress.live.is_started:
                self._console.print(Text(harmless(text).removesuffix("\n")), soft_wrap=True)
            else:
                click.echo(harmless(text), nl=False)

    def told(
        self, piece: OutputPiece, status: str, error: str | None = None, *, missing: Mapping[str, float] | None = None
    ) -> None:
        """`missing`: the seconds `promised` and `decoded` of a file that is cut or damaged."""
        if piece in self._bars and self._whole is not None:
            self._progress.remove_task(self._bars.pop(piece))
            self._progress.advance(self._whole, piece.seconds)
            whole = self._progress.tasks[0]
            self._progress.update(self._whole, state=f"{whole.completed:.0f} of {whole.total or 0:.0f} s of audio")
        self._done += error is None
        target = str(piece.target) if piece.target else None
        source = piece.name if piece.source.name != piece.name and piece.target is None else str(piece.source)
        if self._lines:
            self._line(source, target, status, piece.seconds, error, missing)
        if error is not None:
            self._failed(piece.name, error)
        elif not (self._quiet or self._lines or target is None):
            said = "already exists (use --force to overwrite)" if status == "exists" else status
            self._say(f"{target}: {said}")
        if missing and not self._lines:
            self._say(
                f"{piece.name}: {missing['decoded']:.1f} of {missing['promised']:.1f} s could be decoded", "yellow"
            )

    def unreadable(self, what: UnreadableFolder) -> None:
        if self._lines:
            self._line(what.name, None, "failed", 0.0, what.why)
        self._failed(what.name, what.why)

    def nothing(self, names: Sequence[str]) -> None:
        if not self._quiet:
            self._say(f"No recordings in {', '.join(names)}.")

    def ending(self) -> None:
        """After several recordings, list those without a transcript: their errors may have scrolled away."""
        if len(self.left) + self._done > 1 and self.left:
            self._say(f"No transcript ({len(self.left)}): {', '.join(self.left)}", "red")

    def stopped(self, pieces: int, *, kept: bool, force: bool) -> None:
        """`kept`: whether there are files, which the next command finds; with `force` it does not look for them."""
        again = f" {'Without --force the' if force else 'The'} same command continues with the others."
        self._say(f"Stopped: {self._done} of {pieces} done.{again if kept else ''}")

    def _line(
        self,
        source: str,
        target: str | None,
        status: str,
        seconds: float,
        error: str | None,
        missing: Mapping[str, float] | None = None,
    ) -> None:
        line: dict[str, Any] = {"file": source, "output": target, "status": status, "seconds": seconds}
        line |= ({"error": error} if error else {}) | ({"truncated": missing} if missing else {})
        with _writing():
            click.echo(as_json(line))

    def _failed(self, name: str, error: str) -> None:
        self.left.append(name)
        self._say(f"{name}: {error}", "red")

    def _say(self, text: str, style: str = "") -> None:
        """What nobody can be told costs no transcript."""
        try:
            self._console.print(Text(printable(text), style=style), soft_wrap=True)
        except OSError:
            _discard(self._console.file)


def printable(text: str) -> str:
    """File names may contain control characters and bytes that are not text."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)


def harmless(text: str) -> str:
    """Words of a service on their way to a terminal, which obeys control characters. Joiners and marks of direction,
    which words need, stay."""
    return "".join("�" if unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\n\t" else sign for sign in text)


def as_json(line: dict[str, Any]) -> str:
    text = json.dumps(line, ensure_ascii=False)
    return text if printable(text) == text else json.dumps(line)


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """A disk that is full, or an output that is closed, ends the command: what follows could not be printed either."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        _discard()
        raise Unwritable(f"Standard output cannot be written: {exc.strerror}.") from exc


def unread() -> NoReturn:
    """Standard output is closed (… | head): discard its buffer, which would fail at the exit."""
    _discard()
    raise SystemExit(1)


def _discard(file: IO[str] | None = None) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), (file or sys.stdout).fileno())
