"""Engine `openai`: another server with OpenAI's `/v1/audio/transcriptions` recognises the speech.

The audio is cut into pieces at pauses, and several pieces are sent in parallel. This engine adds what the server does
not report: times are spread over the speech, and speakers are distinguished by their voices if numpy is installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future, wait
from typing import Final, TypeAlias

import msgspec

from compat.emulator.engine import NO_HINTS, EngineTrouble, Hints, Hypothesis, Sentence, Unusable, Word
from compat.emulator.remote import answers
from compat.emulator.remote.answers import RemoteAnswer
from compat.emulator.remote.client import RemoteClient, RemoteServer
from compat.emulator.remote.cutting import Cutter, Piece, pieces
from compat.emulator.remote.guesses import Guesses
from compat.emulator.sound import BYTES_PER_MS
from compat.emulator.text import joined_text, separator

_TURN_MS: Final = 1_000  # shortest piece if speakers are distinguished; a piece without times has one speaker
_Step: TypeAlias = "Future[RemoteAnswer] | Sentence"
_log = logging.getLogger("dashscope.emulator")


class OpenAI:
    """Thread-safe."""

    blocking: Final = True

    def __init__(self, server: RemoteServer | None) -> None:
        """Raise Unusable without a server."""
        if server is None or not server.url:
            raise Unusable("The engine openai needs the address of a server in COMPAT_ENGINE_URL.")
        self._client = RemoteClient(server)
        self._ahead = max(1, server.concurrency // 2)  # so that one file does not keep the others waiting

    def close(self) -> None:
        """Close the connections to the server."""
        self._client.close()

    def prepare(self) -> None:
        """Log a warning if the server does not answer yet. It is asked again at each request."""
        try:
            self._client.models().result()
        except EngineTrouble as exc:
            _log.warning("%s", exc.message)

    async def check(self) -> None:
        await asyncio.wrap_future(self._client.check())

    def recognise(self, sound: Iterable[bytes], *, speakers: bool = False, hints: Hints = NO_HINTS) -> RemoteSentences:
        return RemoteSentences(self._client, sound, hints, speakers=speakers, ahead=self._ahead)

    def listen(self, hints: Hints = NO_HINTS) -> RemoteListener:
        return RemoteListener(self._client, hints)


class RemoteSentences:
    """Iterator of sentences, each as soon as its piece and all before it are answered."""

    def __init__(
        self, client: RemoteClient, sound: Iterable[bytes], hints: Hints, *, speakers: bool, ahead: int
    ) -> None:
        self._client = client
        self._hints = hints
        self._ahead = ahead
        self._stopped = False
        self._pending: deque[tuple[Piece, Future[RemoteAnswer]]] = deque()
        self._steps = self._by_speaker(sound) if speakers else self._in_order(pieces(sound))

    def __iter__(self) -> RemoteSentences:
        return self

    def __next__(self) -> Sentence:
        while isinstance(step := next(self._steps), Future):
            wait([step])
        return step

    async def take(self) -> Sentence | None:
        """Return the next sentence, None at the end. Only reading the audio takes a thread."""
        while isinstance(step := await asyncio.to_thread(next, self._steps, None), Future):
            await asyncio.gather(asyncio.wrap_future(step), return_exceptions=True)
        return step

    def stop(self) -> None:
        self._stopped = True
        for _, answer in list(self._pending):
            answer.cancel()

    def _in_order(self, cut: Iterator[Piece]) -> Iterator[_Step]:
        """Yield the answers to wait for, and the sentences."""
        for number, piece in enumerate(cut):
            if self._stopped:
                return
            self._pending.append((piece, self._client.transcribe(piece.pcm, self._hints, patient=number > 0)))
            if len(self._pending) > self._ahead:
                yield from self._settled()
        while self._pending:
            yield from self._settled()

    def _settled(self) -> Iterator[_Step]:
        piece, answer = self._pending[0]
        yield answer
        found = answer.result()
        self._pending.popleft()
        yield from answers.sentences(found, piece)

    def _by_speaker(self, sound: Iterable[bytes]) -> Iterator[_Step]:
        if importlib.util.find_spec("numpy") is None:
            yield from self._in_order(pieces(sound))
            return
        from compat.emulator.engines.voices import Voices  # numpy is in the local extra

        voices, found = Voices(), list[Sentence]()
        for step in self._in_order(pieces(voices.listen_to(sound), shortest_ms=_TURN_MS)):
            if isinstance(step, Sentence):
                voices.line(step.begin_ms, step.end_ms)
                found.append(step)
            else:
                yield step
        for sentence, speaker in zip(found, voices.speakers(), strict=True):
            yield msgspec.structs.replace(sentence, speaker=speaker)


class RemoteListener:
    """One turn. A piece of a long turn is sent as soon as it is complete, and its text is then settled."""

    def __init__(self, client: RemoteClient, hints: Hints) -> None:
        self.language: str | None = hints.language
        self._client = client
        self._hints = hints
        self._cutter = Cutter()
        self._asked: list[tuple[Piece, Future[RemoteAnswer]]] = []
        self._given = 0  # answers in the last hypothesis
        self._ended = False
        self._sentences: list[Sentence] = []
        self._guesses = Guesses()  # of the open piece
        self._guessed: Future[RemoteAnswer] | None = None
        self._unheard = 0  # bytes since the last request for a guess

    def feed(self, pcm: bytes, *, partial: bool = True) -> Hypothesis | None:
        self._ask(self._cutter.feed(pcm))
        if not partial:
            return None
        self._unheard += len(pcm)
        settled, guessed = self._settled(), self._guess()
        return self._hypothesis() if settled or guessed else None

    def _settled(self) -> bool:
        """Take the answer for the next piece. Return whether it is there."""
        if not any(answer.done() for _, answer in self._asked[self._given :][:1]):
            return False
        try:
            self._collect(self._asked[self._given][1].result())
        except (EngineTrouble, CancelledError):
            return False  # finish() raises it
        return True

    def _guess(self) -> bool:
        """Take the last guess and ask for another one when it is time. Return whether there is a new one."""
        new, every = False, self._client.server.partial_seconds * 1000 * BYTES_PER_MS
        if self._guessed is not None and self._guessed.done():
            with contextlib.suppress(EngineTrouble, CancelledError):
                self._guesses.take(self._guessed.result().text)
                new = True
            self._guessed = None
        if self._guessed is None and every and self._unheard >= every and not self._client.busy:
            piece = self._cutter.open()
            if piece is not None and self._given == len(self._asked):
                self._guessed, self._unheard = self._client.transcribe(piece.pcm, self._hints), 0
        return new

    def _hypothesis(self) -> Hypothesis:
        text = joined_text(self._sentences)
        settled = self._guesses.settled.strip()
        text += separator(text, settled) + settled
        tentative = self._guesses.tentative.strip()
        return Hypothesis(text, tentative)

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._stop_guessing()
            self._ask(self._cutter.flush())

    def done(self) -> bool:
        return self._ended and all(answer.done() for _, answer in self._asked)

    def finish(self) -> Hypothesis:
        """Return the final result. Raises EngineTrouble."""
        self.end()
        while self._given < len(self._asked):
            self._collect(self._asked[self._given][1].result())
        return Hypothesis(joined_text(self._sentences))

    def words(self) -> tuple[Word, ...]:
        return tuple(word for sentence in self._sentences for word in sentence.words)

    def stop(self) -> None:
        self._stop_guessing()
        for _, answer in self._asked:
            answer.cancel()

    def _stop_guessing(self) -> None:
        if (guessed := self._guessed) is not None:
            guessed.cancel()
            self._guessed = None

    def _ask(self, cut: Iterator[Piece]) -> None:
        for piece in cut:
            self._stop_guessing()
            patient = self._client.proven  # live speech cannot be repeated
            self._asked.append((piece, self._client.transcribe(piece.pcm, self._hints, patient=patient)))

    def _collect(self, answer: RemoteAnswer) -> None:
        self._sentences += answers.sentences(answer, self._asked[self._given][0])
        self._given += 1
        self._guesses = Guesses()
        self.language = self._hints.language or answer.language or self.language
