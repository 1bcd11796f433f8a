"""Captions as they settle: for people at a terminal, as plain lines, as JSON lines, or not at all."""

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

from compat.cli.listening import LiveCaptions, OpenSession, Turn
from compat.cli.report import as_json, harmless, printable

Kind = Literal["screen", "lines", "json", "silent"]


@contextlib.contextmanager
def captions(name: str, kind: Kind, total: float = 0.0) -> Iterator[LiveCaptions]:
    """Of a source with this `name`, on standard output; a screen needs a terminal and is lines without one."""
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
    """Shows nothing."""

    def sent(self, seconds: float) -> None:
        """How much of the sound has been sent."""

    def hearing(self, turns: Sequence[OpenSession]) -> None:
        """The turns that are not settled."""

    def settled(self, turn: Turn) -> None:
        """One that is."""

    def fault(self, message: str) -> None:
        """What went wrong, on standard error."""
        click.secho(harmless(message), fg="red", err=True)


class Lines(Silent):
    def settled(self, turn: Turn) -> None:
        click.echo(harmless(turn.text) if sys.stdout.isatty() else turn.text)


class JsonCaptions(Silent):
    def __init__(self, name: str) -> None:
        self._name = name

    def settled(self, turn: Turn) -> None:
        click.echo(as_json({"file": self._name, **dataclasses.asdict(turn)}))


class Screen(Silent):
    """Settled turns stay; below them stands what is being said, its tentative words dim, and how far the sound is."""

    def __init__(self, name: str, live: Live, total: float) -> None:
        self._name = name
        self._live = live
        self._total = total
        self._seconds = -1
        self._turns: Sequence[OpenSession] = ()

    def sent(self, seconds: float) -> None:
        if int(seconds) != self._seconds:
            self._seconds = int(seconds)
            self._draw()

    def hearing(self, turns: Sequence[OpenSession]) -> None:
        self._turns = turns
        self._draw()

    def settled(self, turn: Turn) -> None:
        self._live.console.print(Text(harmless(turn.text)), soft_wrap=True)

    def fault(self, message: str) -> None:
        """On a terminal above what is being said, which would be drawn over it."""
        if sys.stderr.isatty():
            self._live.console.print(Text(harmless(message), style="red"), soft_wrap=True)
        else:
            super().fault(message)

    def _draw(self) -> None:
        of = f" of {self._total:.0f}" if self._total else ""
        footer = Text(f"{printable(self._name)}: {max(self._seconds, 0)}{of} s", style="dim")
        self._live.update(Group(*(_line(turn) for turn in self._turns), footer), refresh=True)


def _line(turn: OpenSession) -> Text:
    """What may change follows a sentence without the space between them."""
    apart = turn.settled[-1:] in tuple(".,;:!?") and turn.stash[:1].isalnum()
    return Text.assemble(harmless(turn.settled), " " if apart else "", (harmless(turn.stash), "dim"))
