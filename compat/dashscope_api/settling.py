"""Snapshots that may be revised, made into pieces of text that are never taken back.

A piece leaves when two snapshots in a row agree on it and a sentence ends there: what the service still corrects is the
sentence in progress. The last snapshot brings the rest. Should it contradict what has left, the pieces stay as they are
and only what follows the last word that both have is added: pieces joined are always the whole text.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from difflib import SequenceMatcher

_SENTENCE = re.compile(r".*(?:[。！？；…]|[.!?](?=\s))", re.DOTALL)
_TOKEN = re.compile(r"\s*[\u3040-\u30ff\u3400-\u9fff]|\s*[^\s\u3040-\u30ff\u3400-\u9fff]+|\s+")


@dataclass
class Settling:
    _said: str = ""
    _latest: str = ""

    @property
    def text(self) -> str:
        """All that has left."""
        return self._said

    def feed(self, snapshot: str) -> list[str]:
        agreed = _SENTENCE.match(_shared(self._latest, snapshot))
        self._latest = snapshot
        return self._say(agreed[0]) if agreed and agreed[0].startswith(self._said) else []

    def flush(self) -> list[str]:
        """The rest, the latest snapshot being the last."""
        if self._latest.startswith(self._said):
            return self._say(self._latest)
        return self._say(self._said + _continuation(self._said, self._latest))

    def _say(self, text: str) -> list[str]:
        piece, self._said = text[len(self._said) :], text
        return [piece] if piece else []


def _shared(one: str, other: str) -> str:
    """The longest prefix of both."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return "".join(letter for letter, _ in same)


def _continuation(said: str, final: str) -> str:
    """What follows in `final` when as many words after the last common one count as revised as there are in `said`."""
    before, after = _TOKEN.findall(said), _TOKEN.findall(final)
    *_, (a, b, size), _ = [(0, 0, 0), *SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()]
    return "".join(after[b + size + len(before) - a - size :])
