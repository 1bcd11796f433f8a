"""Hot words from arguments and files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from compat.catalogue.vocabularies import HotWord
from compat.errors import CompatError
from compat.openai_api import vocabularies

_WEIGHTED: Final = re.compile(r"(.*\S)=(-?\d{1,9})", re.DOTALL)
_LINE: Final = re.compile(r"(.*\S)\s+([1-5]|50)")
_WEIGHT: Final = re.compile(r"-?\d{1,9}")


class Unreadable(Exception):
    """A file has no readable words. The message says where and why."""


def from_arguments(arguments: Iterable[str]) -> list[HotWord]:
    """Return the words of a command line: `Qwen`, or with a weight `Qwen=5`."""
    matches = ((argument, _WEIGHTED.fullmatch(argument)) for argument in arguments)
    return [HotWord(found[1], int(found[2])) if found else HotWord(text) for text, found in matches]


def from_file(content: bytes) -> list[HotWord]:
    """Return the words of a file: JSON as in a request or a response, or text with a word on each line.

    A line is `word`, `word weight`, or with tabs `word<TAB>weight<TAB>language`. Without tabs, only 1 to 5 and 50 are
    weights, so that the last part of `Boeing 737` is not. Raises Unreadable.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8 text") from None
    if text.lstrip()[:1] in ("[", "{"):
        try:
            return vocabularies.words(text.encode())
        except CompatError as exc:
            raise Unreadable(exc.message.rstrip(".")) from exc
    lines = enumerate(text.splitlines(), 1)
    return [_word(line, number) for number, line in lines if line.strip()]


def _word(line: str, number: int) -> HotWord:
    if "\t" not in line:
        found = _LINE.fullmatch(line.strip())
        return HotWord(found[1], int(found[2])) if found else HotWord(line.strip())
    text, weight, language, *more = [part.strip() for part in (*line.split("\t"), "")]
    if not text or not _WEIGHT.fullmatch(weight) or any(more):
        raise Unreadable(f"line {number} should be a word, its weight and its language, separated by tabs")
    return HotWord(text, int(weight), language or None)


def merged(words: Iterable[HotWord], more: Iterable[HotWord]) -> list[HotWord]:
    """Return `words` and `more`; of a word in both, the second."""
    return list({(word.text, word.lang): word for word in (*words, *more)}.values())


def with_word(message: str, param: str | None, words: Sequence[HotWord]) -> str:
    """Return a message, with the word at fault if `param` is the place of one: `vocabulary[3].weight`."""
    found = re.match(r"vocabulary\[(\d+)\]", param or "")
    place = int(found[1]) if found else len(words)
    return f"{message} The word: {words[place].text}" if place < len(words) else message
