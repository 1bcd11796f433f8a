"""Recognition context and hot words, and the limits of the models on them.

qwen-audio-3 and fun-asr-flash accept context as messages ("rounds"): at most ROUNDS of ROUND characters each; the
service truncates the rest. qwen-audio-3 also accepts hot words with weights from 1 to 5; 4 is recommended.
(Model Studio, client events of fun-asr-realtime and HTTP pages of qwen-audio-3, 2026-08 to 2026-10.)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from compat.text import boundary

ROUNDS: Final = 5
ROUND: Final = 400
WEIGHT: Final = 4
WORDS: Final = 2000  # of more, the service uses a random selection
LONGEST_WORD: Final = 15  # characters of a word that is not ASCII
MOST_PARTS: Final = 7  # parts, separated by spaces, of an ASCII word
_COMMA: Final = re.compile(r"[,，、;；\n]")
_EDGE: Final = " \t\r\n,;，、；"
_ENTRY: Final = re.compile(r".*[,;.!?，、；。！？\n]", re.DOTALL)
_WORD: Final = re.compile(r".*\s", re.DOTALL)
_NEAR: Final = 64  # characters before the limit within which the end of an entry is preferred to that of a word


def rounds(text: str) -> list[str]:
    """Split a context into messages, between words or entries."""
    return list(_rounds(text))[:ROUNDS]


def shortened(text: str) -> bool:
    """Return whether the service truncates the context."""
    return sum(1 for _ in _rounds(text)) > ROUNDS


def _rounds(text: str) -> Iterator[str]:
    while text := text.strip(_EDGE):
        at = len(text) if len(text) <= ROUND else boundary(text[: 2 * ROUND], _border(text[: ROUND + 1]))
        at = at or ROUND  # one character with hundreds of combining marks
        yield text[:at].rstrip(_EDGE)
        text = text[at:]


def _border(text: str) -> int:
    """Return where to end a message: after an entry or a clause, so that a name stays whole, or else after a word."""
    entry, word = ((found.end() if found else 0) for found in (_ENTRY.match(text), _WORD.match(text)))
    return (entry if entry >= ROUND - _NEAR else max(entry, word)) or ROUND


def hot_words(keywords: Iterable[str], known: Collection[str] = ()) -> tuple[dict[str, int], list[str]]:
    """Return the hot words with their weights, and the keywords that only fit in the context.

    A keyword may be a comma-separated list. `known` are the hot words that the request names already.
    """
    words = (word.strip() for keyword in keywords for word in _COMMA.split(keyword))
    given = [word for word in dict.fromkeys(filter(None, words)) if word not in known]
    fitting = dict.fromkeys([word for word in given if fits(word)][: WORDS - len(known)], WEIGHT)
    return fitting, [word for word in given if word not in fitting]


def fits(word: str) -> bool:
    """Return whether a hot word has a length that the service accepts."""
    return len(word.split(" ")) <= MOST_PARTS if word.isascii() else len(word) <= LONGEST_WORD
