"""Conversion of timed sentences, from result files and `generation-audio` responses, to segments.

Times are integer milliseconds. The punctuation of a word is a field of its own. Latin words of fun-asr include the
following space; those of qwen3-asr do not. qwen3-asr reports the language and emotion of a sentence; fun-asr reports
its speaker, on request. (Model Studio: Qwen-ASR API reference, Fun-ASR recorded speech recognition, 2026.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec

from compat.text import closes_sentence, joined, space
from compat.transcript import Segment, Word

PAUSE = 0.4  # seconds between the fragments of a sentence
SENTENCE = 15.0  # seconds


class SpokenWord(msgspec.Struct, frozen=True):
    text: str = ""
    punctuation: str | None = None
    begin_time: float | None = None
    end_time: float | None = None
    confidence: float | None = None


class Sentence(msgspec.Struct, frozen=True):
    text: str | None = None
    begin_time: float | None = None
    end_time: float | None = None
    words: list[SpokenWord] | None = None
    language: str | None = None
    emotion: str | None = None
    speaker_id: int | str | None = None
    channel_id: int | None = None

    def segment(self, channel: int | None = None) -> Segment:
        spoken = [word for word in self.words or () if word.text.strip() or word.punctuation]
        text = "".join(_spelled(spoken)).strip() if self.text is None else self.text
        words = tuple(
            Word(spelled, _seconds(word.begin_time), _seconds(word.end_time, word.begin_time), word.confidence)
            for word, spelled in zip(spoken, _cut(text, spoken) or _spelled(spoken), strict=True)
        )
        return Segment(
            text=text,
            start=_seconds(self.begin_time),
            end=_seconds(self.end_time, self.begin_time),
            words=words,
            language=self.language,
            emotion=self.emotion,
            speaker=None if self.speaker_id is None else str(self.speaker_id),
            channel=channel,
        )


class Channel(msgspec.Struct, frozen=True):
    channel_id: int | None = None
    text: str | None = None
    sentences: list[Sentence] | None = None


class Result(msgspec.Struct, frozen=True):
    """The result file at `transcription_url`: one transcript per requested channel.

    `transcripts` has no default, so that another JSON document, such as a gateway's error, is not read as silence.
    """

    transcripts: list[Channel] | None

    def segments(self) -> tuple[Segment, ...]:
        """Return the segments of all channels in order of time. `channel` is set only if there are several."""
        channels = self.transcripts or []
        several = len(channels) > 1
        segments = [
            sentence.segment(channel.channel_id if several else None)
            for channel in channels
            for sentence in channel.sentences or ()
        ]
        return tuple(sorted(segments, key=lambda segment: segment.start))

    def text(self) -> str:
        """Return the text, one line per channel."""
        texts = (
            joined(sentence.segment().text for sentence in channel.sentences or ())
            if channel.text is None
            else channel.text.strip()
            for channel in self.transcripts or ()
        )
        return "\n".join(text for text in texts if text)


NO_SPEECH = Result(None)
"""The result of audio without speech, for which there is no file."""


def sentences(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Join the fragments into which `enable_words` splits sentences at punctuation: neighbours of one channel without a
    pause between them, up to SENTENCE seconds. A fragment without words stays as it is. The language and emotion of a
    sentence are those of the longer part of it."""
    fragments: list[Segment] = []
    for segment in segments:
        if fragments and not _continues(fragments, segment):
            yield _whole(fragments)
            fragments = []
        fragments.append(segment)
    if fragments:
        yield _whole(fragments)


def _whole(fragments: Sequence[Segment]) -> Segment:
    if len(fragments) == 1:
        return fragments[0]
    return msgspec.structs.replace(
        fragments[0],
        text=joined(fragment.text for fragment in fragments),
        end=max(fragment.end for fragment in fragments),
        words=tuple(word for fragment in fragments for word in fragment.words),
        language=prevailing(fragments, "language"),
        emotion=prevailing(fragments, "emotion"),
    )


def _continues(fragments: Sequence[Segment], after: Segment) -> bool:
    before = fragments[-1]
    return (
        bool(before.words and after.words)
        and not closes_sentence(before.text)
        and (before.channel, before.speaker) == (after.channel, after.speaker)
        and after.start - before.end <= PAUSE
        and after.end - fragments[0].start <= SENTENCE
    )


def prevailing(segments: Iterable[Segment], name: str) -> str | None:
    """Return the `language` or `emotion` (`name`) with the longest total duration, or None if there is none."""
    times: defaultdict[str, float] = defaultdict(float)
    for segment in segments:
        value = getattr(segment, name)
        if value:
            times[value] += segment.end - segment.start
    return max(times, key=times.__getitem__, default=None)


def _cut(text: str, words: Sequence[SpokenWord]) -> list[str] | None:
    """Split `text` into one part per word; each part extends to the start of the next word.

    Returns None if the text does not contain all words in order, as after inverse text normalisation.
    """
    starts: list[int] = []
    end = 0
    for word in words:
        start = text.find(word.text.strip(), end)
        if start < 0 or any(letter.isalnum() for letter in text[end:start]):
            return None
        starts.append(start)
        end = start + len(word.text.strip())
    if any(letter.isalnum() for letter in text[end:]):
        return None
    edges = [0, *starts[1:], len(text)] if starts else []
    return [text[start:end] for start, end in pairwise(edges)]


def _spelled(words: Sequence[SpokenWord]) -> list[str]:
    """Return each word with its punctuation and, if the scripts call for it, a space before the next word."""
    spelled = [_punctuated(word) for word in words]
    return [before + space(before, after) for before, after in pairwise([*spelled, ""])]


def _punctuated(word: SpokenWord) -> str:
    bare = word.text.rstrip()
    return bare + (word.punctuation or "").rstrip() + word.text[len(bare) :]


def _seconds(time: float | None, default: float | None = None) -> float:
    """Convert milliseconds to seconds."""
    return (time if time is not None else default or 0.0) / 1000
