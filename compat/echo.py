"""Echoes: models sometimes return the context, whole or in part, as the transcript of silence and noise.

Seen of Qwen3-ASR: the list of hot words, without its commas, cut off at some point. A speaker may say the same words,
so that such a text is only a suspicion, to be held against the sound.
"""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher

_ENTRY = re.compile(r"[^\w\s'’-]+|\n")
_BRIEF = 12  # letters, of which one of a script with a sign a syllable or word counts three
_WIDE = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_FASTEST = 60.0  # the same a second: more than anybody says
_ALIKE = 0.5
_COMPARED = 2000  # letters


class Echo:
    """What can be an echo of one context."""

    def __init__(self, context: str) -> None:
        self._given = _letters(context)
        entries = {_letters(entry) for entry in _ENTRY.split(context)} - {""}
        self._entries = entries
        self._lengths = sorted({len(entry) for entry in entries}, reverse=True)

    def only(self, text: str) -> bool:
        """Whether the text says nothing but the context: all, a run of it, entries of its list in any order, any of
        these again and again, cut off anywhere. Case, width, spaces and punctuation do not count."""
        said = _letters(text)
        if not said or not self._given:
            return False
        return said in self._given * (len(said) // len(self._given) + 2) or self._listed(said)

    def so_far(self, text: str) -> bool:
        """Whether a text that has just begun may become such a one."""
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
    """Whether a text is so short that speakers say as much of a context by chance: one word or two."""
    return _weight(text) < _BRIEF


def speakable(text: str, seconds: float) -> bool:
    """Whether somebody can say it in this time."""
    return _weight(text) <= _FASTEST * seconds


def alike(one: str, other: str) -> bool:
    """Whether two texts may be of the same words."""
    left, right = _letters(one)[:_COMPARED], _letters(other)[:_COMPARED]
    return SequenceMatcher(None, left, right, autojunk=False).ratio() >= _ALIKE


def _weight(text: str) -> int:
    return sum(3 if _WIDE.match(letter) else 1 for letter in _letters(text))


def _letters(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())
