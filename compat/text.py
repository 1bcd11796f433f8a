"""Texts in a row, with spaces where their scripts want them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
"""Letters of scripts that put no space between words (Korean does), with their punctuation."""


_MARKS = ",.;:!?，。；：！？、"
_LEADING = re.compile(rf"\s*(?:[，。；：！？、]|[,.;:!?](?![\w.]))[\s{re.escape(_MARKS)}]*")
"""Marks that end something, at the beginning of a text; not those of `.5`, `:D` and `...`."""


def begun(text: str) -> str:
    """A text without the marks of one before it: what was heard after a cut may begin with the cut's own comma."""
    return _LEADING.sub("", text, count=1) if _LEADING.match(text) else text


def space(before: str, after: str) -> str:
    """The separator of two texts: a space, unless there is one already, or a script without spaces, or a mark that
    belongs to the text before."""
    if not before or not after or before[-1].isspace() or after[0].isspace() or _LEADING.match(after):
        return ""
    return "" if _UNSPACED.match(before[-1]) or _UNSPACED.match(after[0]) else " "


def joined(texts: Iterable[str]) -> str:
    """The texts in a row; where one ends in a mark and the next begins with one, the first stays."""
    whole = ""
    for text in texts:
        rest = begun(text) if whole.rstrip().endswith(tuple(_MARKS)) else text
        whole += space(whole, rest) + rest
    return whole
