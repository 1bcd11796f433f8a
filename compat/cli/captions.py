"""Live captions on standard output: a terminal display, plain lines, JSON lines, or nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from typing import Literal, assert_never

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from compat.cli.listening import LiveCaptions, OpenTurn, Turn
from compat.cli.report import as_json, harmless, printable
from compat.observability.human import coloured

Kind = Literal["screen", "lines", "json", "silent"]


@contextlib.contextmanager
def captions(name: str, kind: Kind, total: float = 0.0) -> Iterator[LiveCaptions]:
    """Show the captions of the source `name`. "screen" falls back to "lines" without a terminal.

    `total`: the length of the source in seconds, 0 if unknown.
    """
    match kind:
        case "screen" if sys.stdout.isatty():
            with Live(console=Console(), auto_refresh=False, transient=True) as live:
                yield Screen(name, live, total)
        case "screen" | "lines":
            yield Lines()
        case "json":
            yield JsonCaptions(name)
        case "silent":
            yield Silent()
        case _:
            assert_never(kind)


class Silent:
    """Shows errors only."""

    def sent(self, seconds: float) -> None:
        """Show how many seconds of audio have been sent."""

    def pending(self, turns: Sequence[OpenTurn]) -> None:
        """Show the turns that are still being recognised."""

    def settled(self, turn: Turn) -> None:
        """Show a final turn."""

    def fault(self, message: str) -> None:
        """Print an error on standard error."""
        click.echo(click.style(harmless(message), fg="red") if coloured(2) else harmless(message), err=True)


class Lines(Silent):
    """Prints a line of text for each final turn."""

    def settled(self, turn: Turn) -> None:
        click.echo(harmless(turn.text) if sys.stdout.isatty() else turn.text.encode())


class JsonCaptions(Silent):
    """Prints a line of JSON for each final turn."""

    def __init__(self, name: str) -> None:
        self._name = name

    def settled(self, turn: Turn) -> None:
        click.echo(as_json({"file": self._name, **dataclasses.asdict(turn)}))


class Screen(Silent):
    """Prints final turns, and below them the turns in progress, with tentative words dimmed, and the position."""

    def __init__(self, name: str, live: Live, total: float) -> None:
        self._name = name
        self._live = live
        self._total = total
        self._seconds = -1
        self._turns: Sequence[OpenTurn] = ()

    def sent(self, seconds: float) -> None:
        if int(seconds) != self._seconds:
            self._seconds = int(seconds)
            self._draw()

    def pending(self, turns: Sequence[OpenTurn]) -> None:
        self._turns = turns
        self._draw()

    def settled(self, turn: Turn) -> None:
        self._live.console.print(Text(harmless(turn.text)), soft_wrap=True)

    def fault(self, message: str) -> None:
        """Print an error above the turns in progress, which are redrawn and would overwrite it."""
        if sys.stderr.isatty():
            self._live.console.print(Text(harmless(message), style="red"), soft_wrap=True)
        else:
            super().fault(message)

    def _draw(self) -> None:
        """Show the newest rows that fit on the screen; rich would show the oldest."""
        of = f" of {self._total:.0f}" if self._total else ""
        position = f"{printable(self._name)}: {max(self._seconds, 0)}{of} s"
        footer = Text(position, style="dim", no_wrap=True, overflow="ellipsis")
        console = self._live.console
        rows = [row for turn in self._turns for row in _line(turn).wrap(console, console.width)]
        shown = rows[max(0, len(rows) - console.height + 1) :]
        self._live.update(Group(*shown, footer), refresh=True)


def _line(turn: OpenTurn) -> Text:
    """Return a turn's text. The service omits the space between a complete sentence and tentative words."""
    apart = turn.settled[-1:] in tuple(".,;:!?") and turn.stash[:1].isalnum()
    return Text.assemble(harmless(turn.settled), " " if apart else "", (harmless(turn.stash), "dim"))
