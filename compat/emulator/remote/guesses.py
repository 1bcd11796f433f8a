"""Partial results of a piece that is still spoken, from repeated recognition of its beginning.

A word is settled once two results in a row agree on it and all before it, except the last word of a result, which may
be cut off (the method of whisper_streaming: Macháček, Dabre and Bojar, 2023).
"""

from __future__ import annotations

import itertools

from compat.emulator.text import TOKEN


class Guesses:
    """`settled` only grows. `tentative` follows it and is replaced by each result."""

    def __init__(self) -> None:
        self._settled: list[str] = []
        self._last: list[str] = []

    @property
    def settled(self) -> str:
        return "".join(self._settled)

    @property
    def tentative(self) -> str:
        """Empty if the last result contradicts the settled text."""
        count = len(self._settled)
        return "".join(self._last[count:]) if self._last[:count] == self._settled else ""

    def take(self, text: str) -> None:
        words = TOKEN.findall(text)
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(words[:-1], self._last, strict=False))
        agreed = [word for word, _ in same]
        if len(agreed) > len(self._settled) and agreed[: len(self._settled)] == self._settled:
            self._settled = agreed
        self._last = words
