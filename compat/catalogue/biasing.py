"""Recognition context and hot words: what of a prompt and keywords a model takes.

qwen-audio-3 and fun-asr-flash take context in rounds: at most ROUNDS messages of ROUND characters; the service cuts the
rest. qwen-audio-3 also takes hot words with weights from 1 to 5; 4 is the recommended one. (Model Studio, client events
of fun-asr-realtime and HTTP pages of qwen-audio-3, 2026-08 to 2026-10.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from compat.text import boundary

ROUNDS: Final = 5
ROUND: Final = 400
WEIGHT: Final = 4
WORDS: Final = 2000  # the service uses a random selection of more
_LONGEST_WORD: Final = 15  # characters, if one of them is not ASCII
_MOST_PARTS: Final = 7  # of an ASCII word, separated by spaces
_COMMA: Final = re.compile(r"[,，、;；\n]")
_EDGE: Final = " \t\r\n,;，、；"
_BORDER: Final = re.compile(r".*[\s,;.!?，、；。！？]", re.DOTALL)


def rounds(text: str) -> list[str]:
    """Split a context into messages at borders of words or entries."""
    return list(_rounds(text))[:ROUNDS]


def shortened(text: str) -> bool:
    """Return whether the service takes only a part of the context."""
    return sum(1 for _ in _rounds(text)) > ROUNDS


def _rounds(text: str) -> Iterator[str]:
    while text := text.strip(_EDGE):
        border = _BORDER.match(text[: ROUND + 1])
        at = len(text) if len(text) <= ROUND else boundary(text, border.end() if border else ROUND)
        yield text[:at].rstrip(_EDGE)
        text = text[at:]


def hot_words(keywords: Iterable[str]) -> tuple[dict[str, int], list[str]]:
    """Return the keywords that can be hot words, with their weights, and the others, which belong in the context. A
    keyword may be a list with commas."""
    words = (word.strip() for keyword in keywords for word in _COMMA.split(keyword))
    given = [*dict.fromkeys(filter(None, words))]
    fitting = [word for word in given if _fits(word)][:WORDS]
    return dict.fromkeys(fitting, WEIGHT), [word for word in given if word not in set(fitting)]


def _fits(word: str) -> bool:
    return len(word.split(" ")) <= _MOST_PARTS if word.isascii() else len(word) <= _LONGEST_WORD
