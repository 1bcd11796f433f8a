"""Estimated timestamps: alignment of a text with the spans of speech in its audio, for surfaces without timestamps.

The pauses are measured in the audio. The words between two pauses are estimated: each phrase gets a share of the text
proportional to its share of the speech, and preferably ends at a comma or a full stop.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import accumulate, pairwise

import msgspec

from compat.openai_api.layout import SECONDS, closes_clause, fits_usual
from compat.openai_api.layout import words as split
from compat.text import closes_sentence

_CANDIDATES = 8  # beam width: partial alignments kept after each span
_MID_CLAUSE = 2.0  # cost of a pause within a clause, in squared deviations of a phrase's length
_PAUSE = 0.6  # seconds; a longer pause ends a segment

Span = tuple[float, float]


class Phrase(msgspec.Struct, frozen=True):
    text: str
    start: float
    end: float


def phrases(text: str, voiced: Sequence[Span]) -> list[Phrase]:
    """Split all of `text` into timed phrases, which fit one cue if there are enough pauses.

    `voiced` holds the spans of sound in seconds. Neither `text` nor `voiced` may be empty.
    """
    words = split(text)
    shares = zip(_aligned_words(words, voiced), voiced, strict=True)
    return _merged([Phrase("".join(words[first:last]), *span) for (first, last), span in shares if last > first])


def _aligned_words(words: Sequence[str], spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Return the range of words for each span, as (first, last + 1). A span of noise has an empty range.

    This is a beam search for the alignment with the lowest cost.
    """
    done = list(accumulate(map(len, words), initial=0))
    costs = [0.0 if closes_clause(word) else _MID_CLAUSE for word in words]
    pace = done[-1] / sum(end - start for start, end in spans)
    ways: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, (0,))}
    for number, (start, end) in enumerate(spans, 1):
        expected = pace * (end - start)
        further: dict[int, tuple[float, tuple[int, ...]]] = {}
        for first, (cost, places) in heapq.nsmallest(_CANDIDATES, ways.items(), key=lambda way: way[1][0]):
            for last in range(first if number < len(spans) else len(words), len(words) + 1):
                length = done[last] - done[first]
                total = cost + _unlikely(length, expected)
                if first < last < len(words):
                    total += costs[last - 1]
                if last not in further or total < further[last][0]:
                    further[last] = total, (*places, last)
                if length > 2 * expected + 12:
                    break
        ways = further
    return list(pairwise(ways[len(words)][1]))


def _unlikely(length: int, expected: float) -> float:
    """Return the cost of `length` characters in a span where `expected` are expected.

    The cost of an empty span is lower, as the span may be noise.
    """
    if not length:
        return expected * expected / 8
    return (length - expected) ** 2 / (4 * max(expected, 8.0))


def _merged(parts: Sequence[Phrase]) -> list[Phrase]:
    """Merge consecutive phrases of a sentence that fit one cue and have no long pause between them."""
    merged: list[Phrase] = []
    for phrase in parts:
        if merged and _belongs(merged[-1], phrase):
            last = merged.pop()
            phrase = Phrase(last.text + phrase.text, last.start, phrase.end)
        merged.append(phrase)
    return merged


def _belongs(last: Phrase, phrase: Phrase) -> bool:
    return (
        not closes_sentence(last.text)
        and phrase.start - last.end < _PAUSE
        and phrase.end - last.start <= SECONDS
        and fits_usual(last.text + phrase.text)
    )
