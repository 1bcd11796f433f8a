"""How it goes: progress on standard error for people, lines on standard output for programs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from compat.transcribe.plan import Piece


class Report:
    def __init__(self, *, quiet: bool, lines: bool) -> None:
        self._console = Console(stderr=True)
        self._quiet = quiet
        self._lines = lines
        self._bars: dict[Piece, TaskID] = {}
        self._whole: TaskID | None = None
        self.failed = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=quiet or lines or not self._console.is_terminal,
        )

    @contextlib.contextmanager
    def showing(self, pieces: Sequence[Piece]) -> Iterator[None]:
        total = sum(piece.seconds for piece in pieces)
        self._whole = self._progress.add_task("all", total=total or None, state=f"0 of {total:.0f} s of audio")
        for piece in pieces:
            size = piece.source.stat().st_size
            self._bars[piece] = self._progress.add_task(piece.name, total=size, state="waiting")
        with self._progress:
            yield

    def read(self, piece: Piece) -> Callable[[int], None]:
        bar, size = self._bars[piece], piece.source.stat().st_size

        def read(position: int) -> None:
            sent = f"{position / 1e6:.1f} of {size / 1e6:.1f} MB"
            state = "recognising" if position >= size else f"sending {sent}"
            self._progress.update(bar, completed=position, state=state)

        return read

    def told(self, piece: Piece, status: str, error: str | None = None) -> None:
        self.failed += error is not None
        if piece in self._bars and self._whole is not None:
            self._progress.update(self._bars[piece], state=status)
            self._progress.advance(self._whole, piece.seconds)
            whole = self._progress.tasks[self._whole]
            self._progress.update(self._whole, state=f"{whole.completed:.0f} of {whole.total or 0:.0f} s of audio")
        target = str(piece.target) if piece.target else None
        if self._lines:
            line = {"file": str(piece.source), "output": target, "status": status, "seconds": piece.seconds}
            click.echo(json.dumps(line | ({"error": error} if error else {}), ensure_ascii=False))
        if error is not None:
            self._console.print(f"{piece.name}: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        elif not (self._quiet or self._lines or target is None):
            said = "is there already; --force makes it anew" if status == "exists" else status
            self._console.print(f"{target}: {said}", markup=False, highlight=False, soft_wrap=True)
