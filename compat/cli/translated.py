"""Live translations on standard output: both texts in a terminal, lines of the translation, or JSON lines of both."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from typing import Final, Literal

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from compat.bridge.sentences import Sentences
from compat.cli.captions import Kind, Silent
from compat.cli.report import as_json, harmless, printable
from compat.text import joined, space, word_ends_between

PAUSE: Final = 4.0
"""Seconds without a word, after which an incomplete sentence gets a line of its own."""
LONG: Final = 160
"""Characters of an incomplete sentence, after which the next word begins a new line."""
_MOST = 4
"""Sentences of one text that wait in a terminal for those of the other."""
TextKind = Literal["source", "translation"]
_STYLES: Final[dict[TextKind, str]] = {"source": "cyan", "translation": "green"}


@contextlib.contextmanager
def subtitles(name: str, kind: Kind) -> Iterator[Subtitled]:
    """Show the translation of the source `name`. "screen" falls back to "lines" without a terminal."""
    if kind == "json":
        yield JsonSubtitles(name)
    elif kind == "screen" and sys.stdout.isatty():
        with Live(console=Console(), auto_refresh=False, transient=True) as live:
            yield SubtitleScreen(name, live)
    else:
        yield Subtitled()


class Subtitled(Silent):
    """Prints a line for each sentence of the translation. The base of the others, which override `complete`."""

    def __init__(self) -> None:
        self._texts: dict[TextKind, Sentences] = {"source": Sentences(str), "translation": Sentences(str)}
        self._pause: asyncio.TimerHandle | None = None

    def source(self, delta: str) -> None:
        """Show more of the text of the source."""
        self._add("source", delta)

    def translation(self, delta: str) -> None:
        """Show more of the translation."""
        self._add("translation", delta)

    def end(self) -> None:
        """Show incomplete sentences as they are."""
        if self._pause:
            self._pause.cancel()
        for kind in self._texts:
            self._take(kind, None)

    def complete(self, kind: TextKind, sentence: str) -> None:
        """Show a complete sentence."""
        if kind == "translation":
            click.echo(harmless(sentence) if sys.stdout.isatty() else sentence)

    def _add(self, kind: TextKind, delta: str) -> None:
        begun = self._texts[kind].begun
        if len(begun) >= LONG and word_ends_between(begun, delta):
            self._take(kind, None)
        self._take(kind, delta)
        if self._pause:
            self._pause.cancel()
        self._pause = asyncio.get_running_loop().call_later(PAUSE, self.end)

    def _take(self, kind: TextKind, delta: str | None) -> None:
        for _, sentence in self._texts[kind].add(delta):
            self.complete(kind, sentence)


class JsonSubtitles(Subtitled):
    """Prints a line of JSON for each sentence of either text."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def complete(self, kind: TextKind, sentence: str) -> None:
        click.echo(as_json({"file": self._name, "kind": kind, "text": sentence}))


class SubtitleScreen(Subtitled):
    """Prints sentences of the source, each with its translation below. Sentences without a counterpart follow, then the
    position. Incomplete sentences are dimmed."""

    def __init__(self, name: str, live: Live) -> None:
        super().__init__()
        self._name = name
        self._live = live
        self._seconds = 0
        self._waiting: dict[TextKind, list[str]] = {"source": [], "translation": []}

    def sent(self, seconds: float) -> None:
        if int(seconds) != self._seconds:
            self._seconds = int(seconds)
            self._draw()

    def end(self) -> None:
        super().end()
        self._print()
        self._draw()

    def complete(self, kind: TextKind, sentence: str) -> None:
        self._waiting[kind].append(sentence)
        if all(self._waiting.values()) or len(self._waiting[kind]) > _MOST:
            self._print()

    def fault(self, message: str) -> None:
        """Print an error above the texts in progress, which are redrawn and would overwrite it."""
        if sys.stderr.isatty():
            self._live.console.print(Text(harmless(message), style="red"), soft_wrap=True)
        else:
            super().fault(message)

    def _print(self) -> None:
        for kind, sentences in self._waiting.items():
            if sentences:
                self._live.console.print(Text(harmless(joined(sentences)), style=_STYLES[kind]), soft_wrap=True)
                sentences.clear()

    def _add(self, kind: TextKind, delta: str) -> None:
        super()._add(kind, delta)
        self._draw()

    def _draw(self) -> None:
        lines = [self._line(kind, style) for kind, style in _STYLES.items()]
        footer = Text(f"{printable(self._name)}: {self._seconds} s", style="dim")
        self._live.update(Group(*(line for line in lines if line), footer), refresh=True)

    def _line(self, kind: TextKind, style: str) -> Text:
        settled, begun = harmless(joined(self._waiting[kind])), harmless(self._texts[kind].begun)
        return Text.assemble((settled, style), space(settled, begun), (begun, f"dim {style}"))
