"""A text laid over the sound it was heard in, where the service tells no times: phrases between pauses. Pure.

When the pauses are is measured. Which words stand between them is worked out: each phrase has about as much of the
text as of the sound, and ends rather where the text has a comma or a full stop.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import accumulate, pairwise

import msgspec

from compat.openai_api.captions import CHARACTERS, SECONDS, closes_clause, closes_sentence, units

_CANDIDATES = 8  # ways to lay the text so far that are followed further
_MID_CLAUSE = 2.0  # what it costs to pause within a clause, in squared deviations of a phrase's length
_PAUSE = 0.6  # seconds: a longer one ends a segment

Span = tuple[float, float]


class Phrase(msgspec.Struct, frozen=True):
    text: str
    start: float
    end: float


def phrases(text: str, voiced: Sequence[Span]) -> list[Phrase]:
    """All of `text`, which is not empty, in phrases no longer than a cue where a pause allows. `voiced`: when there is
    sound, in seconds; at least one span."""
    words = units(text)
    shares = zip(_laid(words, voiced), voiced, strict=True)
    return _gathered([Phrase("".join(words[first:last]), *span) for (first, last), span in shares if last > first])


def _laid(words: Sequence[str], spans: Sequence[Span]) -> list[tuple[int, int]]:
    """For each span the first of its words and the one after its last; none of them where it is but a noise."""
    done = list(accumulate(map(len, words), initial=0))
    torn = [0.0 if closes_clause(word) else _MID_CLAUSE for word in words]
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
                    total += torn[last - 1]
                if last not in further or total < further[last][0]:
                    further[last] = total, (*places, last)
                if length > 2 * expected + 12:
                    break
        ways = further
    return list(pairwise(ways[len(words)][1]))


def _unlikely(length: int, expected: float) -> float:
    """That so many characters are said where so many are expected; nothing at all may be said in a noise."""
    if not length:
        return expected * expected / 8
    return (length - expected) ** 2 / (4 * max(expected, 8.0))


def _gathered(said: Sequence[Phrase]) -> list[Phrase]:
    """Phrases of one sentence in one, as far as they make one cue and no long pause is between them."""
    gathered: list[Phrase] = []
    for phrase in said:
        if gathered and _belongs(gathered[-1], phrase):
            last = gathered.pop()
            phrase = Phrase(last.text + phrase.text, last.start, phrase.end)
        gathered.append(phrase)
    return gathered


def _belongs(last: Phrase, phrase: Phrase) -> bool:
    return (
        not closes_sentence(last.text)
        and phrase.start - last.end < _PAUSE
        and phrase.end - last.start <= SECONDS
        and len((last.text + phrase.text).strip()) <= CHARACTERS
    )
