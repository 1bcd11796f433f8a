"""Cuts a growing transcript into sentences, which are translated one by one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator

_END = re.compile(
    r"[.!?\u2026\u061f\u06d4][\"'\u201d\u2019)]*(?=\s)|[\u3002\uff01\uff1f\u0964\u104b\u17d4][\u300d\u300f\u201d]*|\n"
)
_OPENING, _CLOSING = "\u300c\u300e\u201c", "\u300d\u300f\u201d"
"""Quotation marks; the closing one of a sentence may be in the next piece."""
_SHORTEST = 12
"""Characters of a sentence that is translated alone, if it ends with a full stop: shorter ones may be abbreviations."""


class Sentences:
    """`ids("sentence")` returns a new identifier for a sentence."""

    def __init__(self, ids: Callable[[str], str]) -> None:
        self._ids = ids
        self._text = ""

    @property
    def begun(self) -> str:
        """The sentence that is not complete yet."""
        return self._text.lstrip()

    def add(self, text: str | None) -> Iterator[tuple[str, str]]:
        """Add the next piece of a turn's text, None at its end. Yield the sentences that are complete."""
        self._text += text or ""
        for sentence in self._complete(ended=text is None):
            yield self._ids("sentence"), sentence

    def _complete(self, *, ended: bool) -> list[str]:
        ends, begin = [], 0
        for found in _END.finditer(self._text):
            if found.end() == len(self._text) and _quoting(self._text[begin:]):
                break
            if found.end() - begin >= _SHORTEST or not found[0].startswith("."):
                ends.append(found.end())
                begin = found.end()
        if ended:
            ends.append(len(self._text))
        texts = [self._text[start:end].strip() for start, end in itertools.pairwise([0, *ends])]
        self._text = self._text[ends[-1] :] if ends else self._text
        return [text for text in texts if text]


def _quoting(text: str) -> bool:
    """Whether a quotation is open."""
    return sum(map(text.count, _OPENING)) > sum(map(text.count, _CLOSING))
