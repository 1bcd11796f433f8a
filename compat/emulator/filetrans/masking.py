"""Masks sensitive words with asterisks, as fun-asr and paraformer do unless it is switched off.

Model Studio's guide to non-realtime recognition has `special_word_filter` as an object, Paraformer's API reference
as a string of JSON (2026): both are accepted. The service's list is not public; this one has three mild English words.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from compat.emulator.engine import Sentence, Word

RESERVED = ("damn", "hell", "bloody")


class WordList(msgspec.Struct, frozen=True):
    word_list: list[str] = []


class Filter(msgspec.Struct, frozen=True):
    filter_with_signed: WordList = WordList()
    filter_with_empty: WordList = WordList()
    system_reserved_filter: bool = True


def read(given: str | dict[str, Any] | None) -> Filter:
    """Raise msgspec.MsgspecError for an invalid filter."""
    match given:
        case None:
            return Filter()
        case str():
            return msgspec.json.decode(given, type=Filter)
        case _:
            return msgspec.convert(given, Filter)


def masked(sentence: Sentence, filtering: Filter) -> Sentence:
    return msgspec.structs.replace(
        sentence,
        text=_masked(sentence.text, filtering),
        words=tuple(_word(word, filtering) for word in sentence.words),
    )


def _word(word: Word, filtering: Filter) -> Word:
    return msgspec.structs.replace(word, text=_masked(word.text, filtering))


def _masked(text: str, filtering: Filter) -> str:
    reserved = RESERVED if filtering.system_reserved_filter else ()
    for listed in (*reserved, *filtering.filter_with_signed.word_list):
        text = re.sub(rf"(?<!\w){re.escape(listed)}(?!\w)", "*" * len(listed), text, flags=re.IGNORECASE)
    for listed in filtering.filter_with_empty.word_list:
        text = text.replace(listed, "")
    return text
