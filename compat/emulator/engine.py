"""Interface of a speech engine: audio in, sentences with times out.

Audio is 16 kHz mono signed 16-bit little-endian PCM. Times are milliseconds from the start of the audio. Engines block;
the emulator calls them in threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, Protocol, runtime_checkable

import msgspec


class Unusable(Exception):
    """The engine cannot work on this machine. The message says why and what to do."""


class EngineTrouble(Exception):
    """An engine on another machine gave no result. The message names it, and the setting to look at.

    `kind`: the settings are wrong, it cannot be reached, it did not answer in time, it is busy, or it failed.
    """

    def __init__(
        self,
        kind: Literal["Misconfigured", "Unavailable", "Timeout", "Busy", "Failed"],
        message: str,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    @property
    def code(self) -> str:
        """The code in error responses, which DashScope does not have."""
        return f"Engine.{self.kind}"


class Hints(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says about its speech: the language's code, context and hot words. Engines may ignore it."""

    language: str | None = None
    context: str = ""
    words: tuple[str, ...] = ()
    timed: bool = True
    """Whether the response has the times of words."""


NO_HINTS = Hints()


class Word(msgspec.Struct, frozen=True):
    """`text` is without punctuation, which DashScope returns separately, and without spaces."""

    text: str
    begin_ms: int
    end_ms: int
    punctuation: str = ""


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """`language` and `emotion` are None if an engine does not report them."""

    text: str
    begin_ms: int
    end_ms: int
    words: tuple[Word, ...] = ()
    speaker: int | None = None
    language: str | None = "en"
    emotion: str | None = "neutral"

    @classmethod
    def of(cls, words: Sequence[Word], speaker: int | None = None) -> Sentence:
        """Return a sentence of these words, separated by spaces."""
        text = " ".join(word.text + word.punctuation for word in words)
        begin_ms, end_ms = words[0].begin_ms, words[-1].end_ms
        return cls(text=text, begin_ms=begin_ms, end_ms=end_ms, words=tuple(words), speaker=speaker)


class Hypothesis(msgspec.Struct, frozen=True):
    """A partial result: `text` is final, `stash` may still change (the two fields of the live protocol)."""

    text: str
    stash: str = ""


class Listener(Protocol):
    """Recognises one turn of live speech."""

    def feed(self, pcm: bytes, *, partial: bool = True) -> Hypothesis | None:
        """Return the new partial result, or None if it is unchanged. With `partial` False, none is needed before
        `finish`, and an engine may skip the work."""

    def finish(self) -> Hypothesis:
        """Return the final result of this turn; its `stash` is empty."""

    def words(self) -> tuple[Word, ...]:
        """Return the words of the last result, with times from the start of the turn's audio, or () if unknown."""


@runtime_checkable
class PatientListener(Listener, Protocol):
    """A listener that waits for another machine. `finish` blocks until `done`."""

    language: str | None
    """The language of the result, if it is known."""

    def end(self) -> None:
        """Begin to recognise the audio: there is no more."""

    def done(self) -> bool:
        """Whether `finish` returns, or raises EngineTrouble, at once."""

    def stop(self) -> None:
        """Cancel the work. May be called from any thread."""


@runtime_checkable
class PatientSentences(Iterator[Sentence], Protocol):
    """Sentences from another machine: waiting for them takes no thread."""

    async def take(self) -> Sentence | None:
        """Return the next sentence, None at the end. Raises EngineTrouble."""

    def stop(self) -> None:
        """Cancel the work. May be called from any thread."""


class Engine(Protocol):
    @property
    def blocking(self) -> bool:
        """Whether listeners need a thread; False where a block of audio costs less than a thread switch."""

    def recognise(
        self, sound: Iterable[bytes], *, speakers: bool = False, hints: Hints = NO_HINTS
    ) -> Iterator[Sentence]:
        """Yield the sentences in order, each as soon as it is known. `speakers`: number the speakers, if the engine
        can."""

    def listen(self, hints: Hints = NO_HINTS) -> Listener: ...


@runtime_checkable
class DistantEngine(Engine, Protocol):
    """An engine on another machine."""

    async def check(self) -> None:
        """Raise EngineTrouble if it cannot answer requests."""


@runtime_checkable
class SpeakingEngine(Engine, Protocol):
    """An engine with a voice that it recognises itself."""

    def speak(self, word: str) -> bytes | None:
        """Return 24 kHz PCM of one word without punctuation, or None for a word that it cannot say."""


class Loadable(Engine, Protocol):
    def prepare(self) -> None:
        """Load the model ahead of the first request."""
