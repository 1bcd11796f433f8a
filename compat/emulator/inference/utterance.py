"""One stretch of speech in a task, and its results: one sentence, or more with semantic punctuation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from compat.emulator.engine import Listener, Sentence, Word
from compat.emulator.filetrans import masking
from compat.emulator.inference.messages import SentenceResult, word_results
from compat.emulator.inference.parameters import TaskSettings
from compat.emulator.realtime.vad import ONSET_MS
from compat.emulator.sound import BYTES_PER_MS
from compat.emulator.text import PUNCTUATION, separator, words_of

ENDS = tuple(".?!。？！")
FILLERS = frozenset({"ah", "eh", "er", "hm", "hmm", "uh", "um"})
EMOTION = ("neutral", 0.9)


class Utterance:
    """`at_ms`: where the speech begins. Results have no `sentence_id`; the task numbers them."""

    def __init__(self, listener: Listener, at_ms: int, settings: TaskSettings) -> None:
        self._listener = listener
        self._begin_ms = at_ms
        self._audio_ms: int | None = None  # where the listener's audio begins
        self._now_ms = at_ms
        self._settings = settings
        self._waiting: list[SentenceResult] = []
        self._given = 0  # words that were part of a final result
        self._shown: str | None = None  # the text of the last partial result of this sentence

    def hear(self, pcm: bytes) -> Iterator[SentenceResult]:
        """The results that are new."""
        if self._audio_ms is None:
            self._audio_ms = self._now_ms = self._begin_ms + ONSET_MS - len(pcm) // BYTES_PER_MS
            yield from self._opening()
        self._now_ms += len(pcm) // BYTES_PER_MS
        result = self._listener.feed(pcm, partial=self._settings.partial)
        if result is None:
            return
        text = " ".join(filter(None, (result.text, result.stash)))
        heard = self._heard(text, self._now_ms)
        if self._settings.semantic:
            sure = len(words_of(self._shaped(_sentence(result.text, 0, 0, ()))))
            yield from self._finals(heard, words_of(heard)[:sure])
        yield from self._partial(heard)

    def end(self, at_ms: int) -> Iterator[SentenceResult]:
        """The final results; none where nothing was understood."""
        text = self._listener.finish().text
        heard = self._heard(text, max(self._begin_ms, at_ms - self._settings.silence_ms))
        words = words_of(heard)
        if self._settings.semantic:
            yield from self._finals(heard, words)
        if text and (self._given < len(words) or not words):
            yield self._final(self._rest(heard))

    def _opening(self) -> Iterator[SentenceResult]:
        """The message model announces a sentence before its text."""
        if self._settings.partial and not self._settings.model.partial:
            self._shown = ""
            yield SentenceResult(begin_time=self._begin_ms, end_time=None, text="", sentence_begin=True)

    def _partial(self, heard: Sentence) -> Iterator[SentenceResult]:
        rest = self._rest(heard)
        if rest.text and rest.text != self._shown:
            result = self._result(rest)
            yield msgspec.structs.replace(result, end_time=None, sentence_begin=self._shown is None)
            self._shown = rest.text

    def _finals(self, heard: Sentence, words: Sequence[Word]) -> Iterator[SentenceResult]:
        """The sentences that have ended within `words`."""
        for end, word in enumerate(words, 1):
            if end > self._given and word.punctuation.endswith(ENDS):
                yield self._final(_spelt(heard, words_of(heard)[self._given : end]))
                self._given = end

    def _final(self, heard: Sentence) -> SentenceResult:
        result = msgspec.structs.replace(self._result(heard), sentence_end=True, sentence_begin=self._shown is None)
        self._shown = None
        if self._settings.model.emotion:
            return msgspec.structs.replace(result, emo_tag=EMOTION[0], emo_confidence=EMOTION[1])
        return result

    def _result(self, heard: Sentence) -> SentenceResult:
        heard = masking.masked(heard, self._settings.word_filter)
        return SentenceResult(
            begin_time=heard.begin_ms,
            end_time=heard.end_ms,
            text=heard.text,
            words=word_results(words_of(heard)),
        )

    def _rest(self, heard: Sentence) -> Sentence:
        """What is not yet part of a final result."""
        return _spelt(heard, words_of(heard)[self._given :]) if self._given else heard

    def _heard(self, text: str, end_ms: int) -> Sentence:
        """With the listener's words and times, where it has them."""
        begin_ms = self._audio_ms or 0
        words = tuple(
            Word(word.text, begin_ms + word.begin_ms, begin_ms + word.end_ms, word.punctuation)
            for word in self._listener.words()
        )
        begin = min(self._begin_ms, words[0].begin_ms) if words else self._begin_ms
        end = max(self._begin_ms, words[-1].end_ms if words else end_ms)
        return self._shaped(_sentence(text, begin, end, words))

    def _shaped(self, heard: Sentence) -> Sentence:
        """Without fillers or punctuation, where the task asks for that."""
        parameters = self._settings.parameters
        words = words_of(heard)
        if parameters.disfluency_removal_enabled:
            words = tuple(word for word in words if word.text.lower() not in FILLERS)
        if not parameters.punctuation_prediction_enabled:
            words = tuple(msgspec.structs.replace(word, punctuation="") for word in words)
        return heard if words == words_of(heard) else _spelt(heard, words)


def _sentence(text: str, begin_ms: int, end_ms: int, words: tuple[Word, ...]) -> Sentence:
    return Sentence(text=text, begin_ms=begin_ms, end_ms=end_ms, words=words)


def _spelt(heard: Sentence, words: Sequence[Word]) -> Sentence:
    """Some of its words as a sentence."""
    text = ""
    for word in words:
        text += separator(text.rstrip(PUNCTUATION), word.text) + word.text + word.punctuation
    begin, end = (words[0].begin_ms, words[-1].end_ms) if words else (heard.begin_ms, heard.end_ms)
    return _sentence(text, begin, end, tuple(words))
