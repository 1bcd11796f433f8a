"""Prompt echoes: models sometimes return the context, or a part of it, as the transcript of silence or noise.

Qwen3-ASR was seen to return the list of hot words without commas, cut off at some point. A speaker may say the same
words, so a match only marks the text as suspect; the caller then checks the audio.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence, Set
from difflib import SequenceMatcher

import msgspec
import regex

from compat.text import joined
from compat.transcript import Segment, Transcript

_ENTRY = re.compile(r"[^\w\s'’-]+|\n")
_MARKED = regex.compile(r"(\p{M}{30})\p{M}+")  # no language needs more marks (Stream-Safe Text Format of UAX #15)
_BRIEF = 12  # letters; a character that stands for a syllable or word counts as three
_WIDE = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_FASTEST = 60.0  # letters per second, counted the same way: faster than anybody speaks
_ALIKE = 0.5
_COMPARED = 2000  # letters
_NEAR = 0.5  # seconds: a segment's times may cut off the edges of a word


class Echo:
    """Detect echoes of one context."""

    def __init__(self, context: str) -> None:
        self._given = _letters(context)
        entries = {_letters(entry) for entry in _ENTRY.split(context)} - {""}
        self._entries = entries
        self._lengths = sorted({len(entry) for entry in entries}, reverse=True)

    def only(self, text: str) -> bool:
        """Return whether `text` consists of the context alone: all of it, a contiguous part, or entries of its list in
        any order, repeated any number of times and cut off anywhere. Case, width, spaces and punctuation are ignored.
        """
        letters = _letters(text) if self._given else ""
        if not letters:
            return False
        return letters in self._given * (len(letters) // len(self._given) + 2) or self._listed(letters)

    def so_far(self, text: str) -> bool:
        """Return whether `text`, the beginning of a longer text, may turn out to be an echo."""
        return bool(self._given) and (not _letters(text) or self.only(text))

    def suspects(self, segments: Sequence[Segment]) -> Iterator[tuple[Segment, float, float]]:
        """Yield the segments that consist of the context alone, each with the start and end, in seconds, of the audio
        to check: slightly more than the segment, but without overlapping its neighbours."""
        if not self._given:
            return
        for channel in {segment.channel for segment in segments}:
            row = [segment for segment in segments if segment.channel == channel]
            for at, segment in enumerate(row):
                if self.only(segment.text):
                    before = row[at - 1].end if at else 0.0
                    after = row[at + 1].start if at + 1 < len(row) else math.inf
                    start = min(segment.start, max(before, segment.start - _NEAR))
                    yield segment, start, max(segment.end, min(after, segment.end + _NEAR))

    def _listed(self, letters: str) -> bool:
        at = 0
        while at < len(letters):
            length = next((length for length in self._lengths if letters[at : at + length] in self._entries), 0)
            if not length or at + length > len(letters):
                return bool(at) and any(entry.startswith(letters[at:]) for entry in self._entries)
            at += length
        return True


def brief(text: str) -> bool:
    """Return whether `text` is only a word or two: short enough for a speaker to say it by chance."""
    return _weight(text) < _BRIEF


def speakable(text: str, seconds: float) -> bool:
    """Return whether a person can say `text` in this time."""
    return _weight(text) <= _FASTEST * seconds


def similar(one: str, other: str) -> bool:
    """Return whether two texts are similar enough to be transcripts of the same words."""
    left, right = _letters(one)[:_COMPARED], _letters(other)[:_COMPARED]
    return SequenceMatcher(None, left, right, autojunk=False).ratio() >= _ALIKE


def without(transcript: Transcript, dropped: Set[Segment]) -> Transcript:
    """Return the transcript without the `dropped` segments, its text rebuilt with one line per channel."""
    segments = tuple(segment for segment in transcript.segments if segment not in dropped)
    channels = sorted({segment.channel for segment in segments}, key=lambda channel: channel or 0)
    lines = (joined(segment.text for segment in segments if segment.channel == channel) for channel in channels)
    return msgspec.structs.replace(transcript, text="\n".join(line for line in lines if line), segments=segments)


def _weight(text: str) -> int:
    return sum(3 if _WIDE.match(letter) else 1 for letter in _letters(text))


def _letters(text: str) -> str:
    if not text.isascii():  # normalising takes time that grows with the square of the marks on a letter
        text = _MARKED.sub(r"\1", text)
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())
