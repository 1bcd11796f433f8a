"""Joining texts, with spaces only between scripts that use them, and cutting a growing text between characters.

A cut must not end inside a character as a reader sees it. `boundary` has the rules of Unicode's text segmentation (UAX
#29, extended grapheme clusters) that occur at the edge of a growing transcript: combining marks, joiners, variation
selectors, emoji modifiers, flags, Hangul syllables in parts, CR LF.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
"""Letters and punctuation of scripts written without spaces between words. Korean is not among them."""

_MARKS = ",.;:!?，。；：！？、"
_LEADING = re.compile(rf"\s*(?:[，。；：！？、]|[,.;:!?](?![\w.]))[\s{re.escape(_MARKS)}]*")
"""Closing punctuation at the start of a text, but not that of `.5`, `:D` or `...`."""

_SENTENCE_END = re.compile("[.!?\u3002\uff01\uff1f\u2026][\"'\u201d\u2019\u300d\u300f)]*\\s*$")
_ZWJ = "\u200d"
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


def joined(texts: Iterable[str]) -> str:
    """Join texts. If one ends with punctuation and the next starts with punctuation, the first mark is kept."""
    whole = ""
    for text in texts:
        rest = begun(text) if whole.rstrip().endswith(tuple(_MARKS)) else text
        whole += space(whole, rest) + rest
    return whole


def closes_sentence(text: str) -> bool:
    """Whether the text ends a sentence."""
    return bool(_SENTENCE_END.search(text))


def settled(text: str, following: str) -> int:
    """How much of `text` is final: all of it, or up to its last character if that may be unfinished."""
    if following:
        return boundary(text + following, len(text))
    if not text or _SETTLED.search(text):
        return len(text)
    return boundary(text, len(text) - 1)


def boundary(text: str, at: int) -> int:
    """The last place at or before `at` where `text` may be cut."""
    while 0 < at < len(text) and not _breaks(text, at):
        at -= 1
    return at


def _breaks(text: str, at: int) -> bool:
    before, after = text[at - 1], text[at]
    if _extends(after) or (before == "\r" and after == "\n"):
        return False
    if before == _ZWJ:
        return not _pictographic(after)
    if _flag(before) and _flag(after):
        return _flags_before(text, at) % 2 == 0
    return not _hangul(before, after)


def _extends(char: str) -> bool:
    return (
        unicodedata.category(char) in ("Mn", "Mc", "Me")
        or char in ("\u200c", _ZWJ, "\u0e33", "\u0eb3")
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or "\U000e0020" <= char <= "\U000e007f"
        or "\uff9e" <= char <= "\uff9f"
    )


def _pictographic(char: str) -> bool:
    return unicodedata.category(char) in ("So", "Sm") or "\u203c" <= char <= "\u3299"


def _flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _flags_before(text: str, at: int) -> int:
    start = at
    while start > 0 and _flag(text[start - 1]):
        start -= 1
    return at - start


def _hangul(before: str, after: str) -> bool:
    """Whether two parts belong to one syllable: L+(L|V|LV|LVT), (LV|V)+(V|T), (LVT|T)+T."""
    first, second = _part(before), _part(after)
    return second in {"L": ("L", "V", "S", "ST"), "V": ("V", "T"), "S": ("V", "T"), "T": ("T",), "ST": ("T",)}.get(
        first, ()
    )


def _part(char: str) -> str:
    if "\uac00" <= char <= "\ud7a3":
        return "S" if (ord(char) - 0xAC00) % 28 == 0 else "ST"
    for low, high, part in (("\u1100", "\u115f", "L"), ("\u1160", "\u11a7", "V"), ("\u11a8", "\u11ff", "T")):
        if low <= char <= high:
            return part
    return ""
