"""One sentence of a task: a listener, and its partial and final results."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from compat.emulator.engine import Hypothesis, Listener, Sentence, Word
from compat.emulator.filetrans import masking
from compat.emulator.inference.messages import SentenceResult, word_results
from compat.emulator.inference.parameters import TaskSettings
from compat.emulator.realtime.vad import ONSET_MS
from compat.emulator.sound import BYTES_PER_MS
from compat.emulator.text import words_of


class LiveSentence:
    def __init__(self, listener: Listener, at_ms: int, settings: TaskSettings) -> None:
        self._listener = listener
        self._begin_ms = at_ms
        self._audio_ms: int | None = None  # where the listener's audio begins
        self._heard_ms = at_ms
        self._settings = settings
        self._waiting: list[Hypothesis] = []
        self._shown: str | None = None  # the text of the last partial result

    def hear(self, pcm: bytes) -> None:
        if self._audio_ms is None:
            self._audio_ms = self._begin_ms + ONSET_MS - len(pcm) // BYTES_PER_MS
            self._heard_ms = self._audio_ms
        self._heard_ms += len(pcm) // BYTES_PER_MS
        result = self._listener.feed(pcm, partial=self._settings.partial)
        if result is not None:
            self._waiting.append(result)

    def partial(self, number: int) -> Iterator[SentenceResult]:
        """The results that are new."""
        for hypothesis in self._waiting:
            text = " ".join(filter(None, (hypothesis.text, hypothesis.stash)))
            if text != (self._shown or ""):
                result = self._result(number, text, self._heard_ms)
                yield msgspec.structs.replace(result, end_time=None, sentence_begin=self._shown is None)
                self._shown = text
        self._waiting.clear()

    def final(self, number: int, at_ms: int) -> SentenceResult | None:
        """None where nothing was understood."""
        text = self._listener.finish().text
        if not text:
            return None
        result = self._result(number, text, max(self._begin_ms, at_ms - self._settings.silence_ms))
        return msgspec.structs.replace(result, sentence_end=True, sentence_begin=self._shown is None)

    def _result(self, number: int, text: str, end_ms: int) -> SentenceResult:
        heard = self._heard(text, end_ms)
        return SentenceResult(
            begin_time=heard.begin_ms,
            end_time=heard.end_ms,
            text=heard.text,
            words=word_results(words_of(heard)),
            sentence_id=number,
        )

    def _heard(self, text: str, end_ms: int) -> Sentence:
        """With the listener's words and times, where it has them."""
        begin_ms = self._audio_ms or 0
        words = tuple(
            Word(word.text, begin_ms + word.begin_ms, begin_ms + word.end_ms, word.punctuation)
            for word in self._listener.words()
        )
        sentence = Sentence(
            text=text,
            begin_ms=min(self._begin_ms, words[0].begin_ms) if words else self._begin_ms,
            end_ms=max(self._begin_ms, words[-1].end_ms if words else end_ms),
            words=words,
        )
        return masking.masked(sentence, self._settings.word_filter)
