"""Joining texts, with spaces only between scripts that use them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
"""Letters and punctuation of scripts written without spaces between words. Korean is not among them."""

_MARKS = ",.;:!?，。；：！？、"
_LEADING = re.compile(rf"\s*(?:[，。；：！？、]|[,.;:!?](?![\w.]))[\s{re.escape(_MARKS)}]*")
"""Closing punctuation at the start of a text, but not that of `.5`, `:D` or `...`."""


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


def joined(texts: Iterable[str]) -> str:
    """Join texts. If one ends with punctuation and the next starts with punctuation, the first mark is kept."""
    whole = ""
    for text in texts:
        rest = begun(text) if whole.rstrip().endswith(tuple(_MARKS)) else text
        whole += space(whole, rest) + rest
    return whole
