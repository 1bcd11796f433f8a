"""Turns snapshots, which the service may rewrite, into deltas, which are never taken back.

A delta must not end inside a character as a reader sees it. `boundary` has the rules of Unicode's text segmentation
(UAX #29, extended grapheme clusters) that occur at the edge of a growing transcript: combining marks, joiners,
variation selectors, emoji modifiers, flags, Hangul syllables in parts, CR LF.
"""

from __future__ import annotations

import re
import unicodedata


class ItemDeltas:
    """The text of one item. `said`: all deltas joined. `stash`: what may follow them and may still change."""

    def __init__(self) -> None:
        self.said = ""
        self.stash = ""

    def grow(self, text: str, stash: str) -> str:
        """The next delta after a snapshot, empty if nothing new is settled. Space at the end waits for a word, as the
        final text may not have it."""
        end = len(text[: settled(text, stash)].rstrip())
        delta = text[len(self.said) : end] if text.startswith(self.said) else ""
        self.said += delta
        preview = text + stash
        self.stash = preview[len(self.said) :] if preview.startswith(self.said) else stash
        return delta

    def end(self, transcript: str) -> tuple[str, bool]:
        """The last delta, and whether all deltas joined are the transcript. If the transcript contradicts them, there
        is no last delta, and only the completed event has the transcript."""
        self.stash = ""
        if not transcript.startswith(self.said):
            return "", False
        delta, self.said = transcript[len(self.said) :], transcript
        return delta, True


_ZWJ = "\u200d"
_SETTLED = re.compile(r"[\0-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u3000-\u3029\u3030-\u3096\u30a0-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uff9d]\Z")  # fmt: skip  # noqa: E501
"""Ends in a letter that no combining mark follows in practice: Latin, Greek, Cyrillic, kana, ideographs, Hangul."""


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
