"""Translation word by word, so that the translation of a beginning is a beginning of the translation of the whole.

As for Qwen-MT, the emulator does not translate: English to English is returned as it is, all else is marked, e.g.
`[zh] amber basil`. Words of the glossary are replaced.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final

from compat.emulator.engine import Hypothesis
from compat.emulator.text import PUNCTUATION, TOKEN, separator

_TENTATIVE: Final = 2  # words at the end of a partial result


class Settled:
    """The words of a turn that are settled: they are never taken back."""

    def __init__(self) -> None:
        self._count = 0

    def new_words(self, text: str) -> list[str]:
        """Return the words of `text` beyond those settled before, each with the space before it."""
        words = TOKEN.findall(text)
        new, self._count = words[self._count :], max(self._count, len(words))
        return new


class Agreement:
    """Settles the words that two partial results in a row agree on, except the last two, so that a translation does not
    wait for the end of a sentence. The words that the engine calls final are settled too.
    """

    def __init__(self) -> None:
        self._before: list[str] = []

    def settled(self, hypothesis: Hypothesis) -> Hypothesis:
        words = TOKEN.findall(hypothesis.text + separator(hypothesis.text, hypothesis.stash) + hypothesis.stash)
        pairs = zip(self._before, words, strict=False)
        agreed = sum(1 for _ in itertools.takewhile(lambda pair: _same(*pair), pairs))
        final = len(TOKEN.findall(hypothesis.text))
        count = max(final, min(agreed, len(words) - _TENTATIVE))
        self._before = words
        return Hypothesis("".join(words[:count]), "".join(words[count:]).strip())


class Translator:
    def __init__(self, target: str, phrases: Mapping[str, str]) -> None:
        self._target = target
        self._phrases = phrases

    def mark(self, first: str) -> str:
        """Return the prefix of a translation whose first source word is `first`."""
        return "" if self._target == "en" and first.isascii() else f"[{self._target}] "

    def word(self, word: str) -> str:
        """Return the translation of a word with the space before it and the punctuation behind it."""
        bare = bare_word(word)
        return word.replace(bare, self._phrases[bare]) if bare in self._phrases else word


def _same(one: str, other: str) -> bool:
    return bare_word(one).casefold() == bare_word(other).casefold()


def bare_word(word: str) -> str:
    return word.strip().rstrip(PUNCTUATION)
