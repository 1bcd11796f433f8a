"""One utterance of a task and its results: one sentence, or several with semantic punctuation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from compat.emulator.engine import EngineTrouble, Listener, Sentence, Word
from compat.emulator.filetrans import masking
from compat.emulator.inference.messages import SentenceResult, TaskFailure, word_results
from compat.emulator.inference.parameters import TaskSettings
from compat.emulator.realtime.vad import ONSET_MS
from compat.emulator.sound import BYTES_PER_MS
from compat.emulator.text import PUNCTUATION, separator, words_of

ENDS = tuple(".?!。？！")
FILLERS = frozenset({"ah", "eh", "er", "hm", "hmm", "uh", "um"})
EMOTION = ("neutral", 0.9)


class Utterance:
    """An utterance that begins at `at_ms`. Its results have no `sentence_id` yet: the task numbers them."""

    def __init__(self, listener: Listener, at_ms: int, settings: TaskSettings) -> None:
        self._listener = listener
        self._begin_ms = at_ms
        self._audio_ms: int | None = None  # start of the listener's audio
        self._now_ms = at_ms
        self._settings = settings
        self._waiting: list[SentenceResult] = []
        self._given = 0  # number of words in final results so far
        self._shown: str | None = None  # the text of the last partial result of this sentence

    def feed(self, pcm: bytes) -> Iterator[SentenceResult]:
        """Yield the new results."""
        if self._audio_ms is None:
            self._audio_ms = self._now_ms = self._begin_ms + ONSET_MS - len(pcm) // BYTES_PER_MS
            yield from self._opening()
        self._now_ms += len(pcm) // BYTES_PER_MS
        result = self._listener.feed(pcm, partial=self._settings.partial)
        if result is None:
            return
        text = " ".join(filter(None, (result.text, result.stash)))
        sentence = self._hypothesis(text, self._now_ms)
        if self._settings.semantic:
            sure = len(words_of(self._formatted(_sentence(result.text, 0, 0, ()))))
            yield from self._finals(sentence, words_of(sentence)[:sure])
        yield from self._partial(sentence)

    def end(self, at_ms: int) -> Iterator[SentenceResult]:
        """Yield the final results; none if no word was recognised."""
        try:
            text = self._listener.finish().text
        except EngineTrouble as exc:
            raise TaskFailure(exc.code, exc.message) from exc
        sentence = self._hypothesis(text, max(self._begin_ms, at_ms - self._settings.silence_ms))
        words = words_of(sentence)
        if self._settings.semantic:
            yield from self._finals(sentence, words)
        if text and (self._given < len(words) or not words):
            yield self._final(self._rest(sentence))

    def _opening(self) -> Iterator[SentenceResult]:
        """Yield an empty result for the message model, which announces a sentence before its text."""
        if self._settings.partial and not self._settings.model.partial:
            self._shown = ""
            yield SentenceResult(begin_time=self._begin_ms, end_time=None, text="", sentence_begin=True)

    def _partial(self, sentence: Sentence) -> Iterator[SentenceResult]:
        rest = self._rest(sentence)
        if rest.text and rest.text != self._shown:
            result = self._result(rest)
            yield msgspec.structs.replace(result, end_time=None, sentence_begin=self._shown is None)
            self._shown = rest.text

    def _finals(self, sentence: Sentence, words: Sequence[Word]) -> Iterator[SentenceResult]:
        """Yield a final result for each sentence that ends within `words`."""
        for end, word in enumerate(words, 1):
            if end > self._given and word.punctuation.endswith(ENDS):
                yield self._final(_sentence_of(sentence, words_of(sentence)[self._given : end]))
                self._given = end

    def _final(self, sentence: Sentence) -> SentenceResult:
        result = msgspec.structs.replace(self._result(sentence), sentence_end=True, sentence_begin=self._shown is None)
        self._shown = None
        if self._settings.model.emotion:
            return msgspec.structs.replace(result, emo_tag=EMOTION[0], emo_confidence=EMOTION[1])
        return result

    def _result(self, sentence: Sentence) -> SentenceResult:
        sentence = masking.masked(sentence, self._settings.word_filter)
        return SentenceResult(
            begin_time=sentence.begin_ms,
            end_time=sentence.end_ms,
            text=sentence.text,
            words=word_results(words_of(sentence)),
        )

    def _rest(self, sentence: Sentence) -> Sentence:
        """Return the part that is not in a final result yet."""
        return _sentence_of(sentence, words_of(sentence)[self._given :]) if self._given else sentence

    def _hypothesis(self, text: str, end_ms: int) -> Sentence:
        """Return the sentence, with the listener's words and times if it has them."""
        begin_ms = self._audio_ms or 0
        words = tuple(
            Word(word.text, begin_ms + word.begin_ms, begin_ms + word.end_ms, word.punctuation)
            for word in self._listener.words()
        )
        begin = min(self._begin_ms, words[0].begin_ms) if words else self._begin_ms
        end = max(self._begin_ms, words[-1].end_ms if words else end_ms)
        return self._formatted(_sentence(text, begin, end, words))

    def _formatted(self, sentence: Sentence) -> Sentence:
        """Return the sentence without fillers or punctuation, as the parameters request."""
        parameters = self._settings.parameters
        words = words_of(sentence)
        if parameters.disfluency_removal_enabled:
            words = tuple(word for word in words if word.text.lower() not in FILLERS)
        if not parameters.punctuation_prediction_enabled:
            words = tuple(msgspec.structs.replace(word, punctuation="") for word in words)
        return sentence if words == words_of(sentence) else _sentence_of(sentence, words)


def _sentence(text: str, begin_ms: int, end_ms: int, words: tuple[Word, ...]) -> Sentence:
    return Sentence(text=text, begin_ms=begin_ms, end_ms=end_ms, words=words)


def _sentence_of(sentence: Sentence, words: Sequence[Word]) -> Sentence:
    """Return a part of a sentence, made of `words`."""
    text = ""
    for word in words:
        text += separator(text.rstrip(PUNCTUATION), word.text) + word.text + word.punctuation
    begin, end = (words[0].begin_ms, words[-1].end_ms) if words else (sentence.begin_ms, sentence.end_ms)
    return _sentence(text, begin, end, tuple(words))
