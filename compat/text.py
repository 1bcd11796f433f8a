"""Joining texts, with spaces only between scripts that use them, and cutting a growing text between characters.

A cut must not end inside a character as a reader sees it: an extended grapheme cluster of Unicode (UAX #29).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import regex

_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
"""Letters and punctuation of scripts written without spaces between words. Korean is not among them."""

_PHRASED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
"""Those of them with spaces between sentences: Thai, Lao, Burmese and Khmer."""

_WORD = re.compile(rf"\s*(?:{_UNSPACED.pattern}|(?:(?!{_UNSPACED.pattern})\S)+)|\s+")
"""A word with the space before it; in scripts without spaces, a letter."""

_MARKS = ",.;:!?，。；：！？、"
_LEADING = re.compile(rf"\s*(?:[，。；：！？、]|[,.;:!?](?![\w.]))[\s{re.escape(_MARKS)}]*")
"""Closing punctuation at the start of a text, but not that of `.5`, `:D` or `...`."""

_SENTENCE_END = re.compile("[.!?\u3002\uff01\uff1f\u2026\u061f\u06d4\u0964][\"'\u201d\u2019\u300d\u300f)]*\\s*$")
_CLUSTER = regex.compile(r"\X")
_STARTS = re.compile(r"[ -~\u3000-\u3029\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff]")
"""Letters that always start a cluster, so that the search can begin there: ASCII, kana, ideographs."""
_SETTLED = re.compile(r"[\0-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u3000-\u3029\u3030-\u3096\u30a0-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uff9d]\Z")  # fmt: skip  # noqa: E501
"""Ends in a letter that no combining mark follows in practice: Latin, Greek, Cyrillic, kana, ideographs, Hangul."""


def begun(text: str) -> str:
    """Return `text` without leading closing punctuation: the transcript after a cut may start with a comma that
    belongs before the cut."""
    return _LEADING.sub("", text, count=1) if _LEADING.match(text) else text


def space(before: str, after: str) -> str:
    """Return the separator of two texts: a space, or nothing if one is there already, if either side is in a script
    without spaces, or if `after` starts with closing punctuation."""
    if not before or not after or before[-1].isspace() or after[0].isspace() or _LEADING.match(after):
        return ""
    return "" if _UNSPACED.match(before[-1]) or _UNSPACED.match(after[0]) else " "


def gap(before: str, after: str) -> str:
    """Return the separator of two sentences: that of `space`, or a space if the script of either separates
    sentences but not words."""
    touching = bool(before and after) and not (before[-1].isspace() or after[0].isspace() or _LEADING.match(after))
    phrased = touching and (_PHRASED.match(before[-1]) or _PHRASED.match(after[0]))
    return " " if phrased else space(before, after)


def word_ends_between(before: str, after: str) -> bool:
    """Whether a word ends between a text and what follows it."""
    if not before or not after or before[-1].isspace() or after[0].isspace():
        return True
    return bool(_UNSPACED.match(after)) and boundary(before + after, len(before)) == len(before)


def joined(texts: Iterable[str]) -> str:
    """Join texts. If one ends with punctuation and the next starts with punctuation, the first mark is kept."""
    whole = ""
    for text in texts:
        rest = begun(text) if whole.rstrip().endswith(tuple(_MARKS)) else text
        whole += space(whole, rest) + rest
    return whole


def rest(said: str, text: str) -> str:
    """Return what follows in `text` after a beginning that resembles `said` the most, word by word. If `text` begins
    with `said`, that is what follows it."""
    if text.startswith(said):
        return text[len(said) :]
    words, wanted = _WORD.findall(text), [word.strip() for word in _WORD.findall(said)]
    costs = list(range(len(wanted) + 1))  # of turning the first words of `said` into those of `text`
    best, cut = costs[-1], 0
    for number, word in enumerate(words, 1):
        costs = _edited(costs, word.strip(), wanted, number)
        if costs[-1] <= best:
            best, cut = costs[-1], number
    return "".join(words[cut:])


def _edited(before: list[int], word: str, wanted: list[str], number: int) -> list[int]:
    """Return the next row of Levenshtein's table."""
    row = [number]
    for place, other in enumerate(wanted):
        row.append(min(before[place] + (word != other), before[place + 1] + 1, row[place] + 1))
    return row


def closes_sentence(text: str) -> bool:
    """Whether the text ends a sentence."""
    return bool(_SENTENCE_END.search(text))


def settled(text: str, following: str) -> int:
    """Return the length of the final part of `text`: all of it, or up to its last character if that may be
    unfinished."""
    if following:
        return boundary(text + following, len(text))
    if not text or _SETTLED.search(text):
        return len(text)
    return boundary(text, len(text) - 1)


def boundary(text: str, at: int) -> int:
    """Return the last place at or before `at` where `text` may be cut."""
    start = at
    while start > 0 and not _STARTS.match(text, start):
        start -= 1
    return next((cluster.start() for cluster in _CLUSTER.finditer(text, start) if cluster.end() > at), at)
