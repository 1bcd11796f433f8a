"""What a speech engine is to the emulator: sound in, sentences with times out.

Sound is 16 kHz mono signed 16-bit little-endian PCM. Times are milliseconds from the start of the sound. Engines block;
the emulator calls them in threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec


class Unusable(Exception):
    """The engine cannot work on this machine. The message is a sentence that says why and what to do."""


class Word(msgspec.Struct, frozen=True):
    """`text` without its punctuation, which DashScope keeps apart; a Latin word carries no space."""

    text: str
    begin_ms: int
    end_ms: int
    punctuation: str = ""


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    begin_ms: int
    end_ms: int
    words: tuple[Word, ...] = ()
    speaker: int | None = None
    language: str = "en"
    emotion: str = "neutral"


class Hypothesis(msgspec.Struct, frozen=True):
    """What a listener believes so far: `text` is settled, `stash` may still change (the live protocol's two fields)."""

    text: str
    stash: str = ""


class Listener(Protocol):
    """Hears one turn of live speech."""

    def feed(self, pcm: bytes, *, partial: bool = True) -> Hypothesis | None:
        """The new belief, or None when nothing changed. `partial` False: nobody waits for one before the end, and an
        engine that pays for each need not form any."""

    def finish(self) -> Hypothesis:
        """The last word on this turn, all of it settled."""


class Engine(Protocol):
    @property
    def blocking(self) -> bool:
        """Whether its listeners need a thread; False where a block of sound costs far less than changing threads."""

    def recognise(self, sound: Iterable[bytes], *, speakers: bool = False) -> Iterator[Sentence]:
        """Sentences in order, each as soon as it is known. `speakers`: tell them apart, where the engine can."""

    def listen(self) -> Listener: ...


class Loadable(Engine, Protocol):
    def prepare(self) -> None:
        """Loads what the first sound would else wait for."""
