"""Echoes: models sometimes return the context, whole or in part, as the transcript of silence and noise.

Seen of Qwen3-ASR: the list of hot words, without its commas, cut off at some point. A speaker may say the same words,
so such a text is only suspect, and is compared with the audio.
"""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher

_ENTRY = re.compile(r"[^\w\s'’-]+|\n")
_BRIEF = 12  # letters; a sign that stands for a syllable or word counts as three
_WIDE = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_FASTEST = 60.0  # the same a second: more than anybody says
_ALIKE = 0.5
_COMPARED = 2000  # letters


class Echo:
    """Recognises echoes of one context."""

    def __init__(self, context: str) -> None:
        self._given = _letters(context)
        entries = {_letters(entry) for entry in _ENTRY.split(context)} - {""}
        self._entries = entries
        self._lengths = sorted({len(entry) for entry in entries}, reverse=True)

    def only(self, text: str) -> bool:
        """Whether the text is nothing but the context: all of it, a run of it, or entries of its list in any order,
        repeated any number of times and cut off anywhere. Case, width, spaces and punctuation do not count."""
        said = _letters(text)
        if not said or not self._given:
            return False
        return said in self._given * (len(said) // len(self._given) + 2) or self._listed(said)

    def so_far(self, text: str) -> bool:
        """Whether the beginning of a text may become an echo."""
        return bool(self._given) and (not _letters(text) or self.only(text))

    def _listed(self, said: str) -> bool:
        at = 0
        while at < len(said):
            length = next((length for length in self._lengths if said[at : at + length] in self._entries), 0)
            if not length or at + length > len(said):
                return bool(at) and any(entry.startswith(said[at:]) for entry in self._entries)
            at += length
        return True


def brief(text: str) -> bool:
    """Whether a text is so short, a word or two, that a speaker may say as much of a context by chance."""
    return _weight(text) < _BRIEF


def speakable(text: str, seconds: float) -> bool:
    """Whether it can be said in this time."""
    return _weight(text) <= _FASTEST * seconds


def alike(one: str, other: str) -> bool:
    """Whether two texts may be of the same words."""
    left, right = _letters(one)[:_COMPARED], _letters(other)[:_COMPARED]
    return SequenceMatcher(None, left, right, autojunk=False).ratio() >= _ALIKE


def _weight(text: str) -> int:
    return sum(3 if _WIDE.match(letter) else 1 for letter in _letters(text))


def _letters(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())
