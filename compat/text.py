"""Texts in a row, with spaces where their scripts want them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
"""Letters of scripts that put no space between words (Korean does), with their punctuation."""


def space(before: str, after: str) -> str:
    """What stands between two texts in a row: a space, unless there is one, or a script that has none."""
    if not before or not after or before[-1].isspace() or after[0].isspace():
        return ""
    return "" if _UNSPACED.match(before[-1]) or _UNSPACED.match(after[0]) else " "


def joined(texts: Iterable[str]) -> str:
    texts = [text for text in texts if text]
    return "".join([*(before + space(before, after) for before, after in pairwise(texts)), *texts[-1:]])
