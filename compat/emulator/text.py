"""Text and usage of sentences: joining, splitting into deltas, counting tokens, timing words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from compat.emulator.engine import Sentence, Word

AUDIO_TOKENS_PER_SECOND = 25
DELTA_WORDS = 3
CONFIDENCE = 0.95
CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
TOKEN = re.compile(rf"\s*(?:[{CJK}]|[^\s{CJK}]+)\s*$|\s*(?:[{CJK}]|[^\s{CJK}]+)")
WIDE = re.compile(f"[{CJK}]")
PUNCTUATION = ",.!?;:…，。！？；：、"


def separator(before: str, after: str) -> str:
    """Return the separator of two sentences: a space, except next to Chinese, Japanese or Korean."""
    if not before or not after or WIDE.match(before[-1]) or WIDE.match(after[0]):
        return ""
    return " "


def is_wide(text: str) -> bool:
    """Whether it ends in a script that is written without spaces, such as Chinese."""
    return bool(text) and WIDE.match(text[-1]) is not None


def joined_text(sentences: list[Sentence]) -> str:
    text = ""
    for sentence in sentences:
        text += separator(text, sentence.text) + sentence.text
    return text


def deltas(text: str) -> Iterator[str]:
    """Split `text` into pieces of a few words; their concatenation is `text`."""
    tokens = TOKEN.findall(text)
    for start in range(0, len(tokens), DELTA_WORDS):
        yield "".join(tokens[start : start + DELTA_WORDS])


def text_tokens(text: str) -> int:
    """Return an approximation of the service's tokeniser: one token for each word or wide character."""
    return len(TOKEN.findall(text))


def audio_tokens(seconds: float) -> int:
    """Return 25 tokens for each second, at least one second (API reference of qwen3-asr, 2026-01)."""
    return math.ceil(AUDIO_TOKENS_PER_SECOND * max(seconds, 1.0))


def billed_seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds))


def words_of(sentence: Sentence) -> tuple[Word, ...]:
    """Return the engine's words, or those of the text spread evenly over the sentence."""
    if sentence.words:
        return sentence.words
    tokens = [token.strip() for token in TOKEN.findall(sentence.text)]
    spoken: list[tuple[str, str]] = []
    for token in tokens:
        text = token.rstrip(PUNCTUATION)
        punctuation = token[len(text) :]
        if text:
            spoken.append((text, punctuation))
        elif spoken:
            spoken[-1] = (spoken[-1][0], spoken[-1][1] + punctuation)
    length = sentence.end_ms - sentence.begin_ms
    edges = [sentence.begin_ms + length * index // max(1, len(spoken)) for index in range(len(spoken) + 1)]
    return tuple(
        Word(text, edges[index], edges[index + 1], punctuation) for index, (text, punctuation) in enumerate(spoken)
    )


def timed_words(sentence: Sentence, *, spaced: bool = False, confidence: bool = False) -> list[dict[str, Any]]:
    """Return the words, with punctuation as a member of its own. `spaced`: a Latin word without punctuation ends in a
    space (`"Hello "`)."""
    sure = {"confidence": CONFIDENCE} if confidence else {}
    return [
        {
            "begin_time": word.begin_ms,
            "end_time": word.end_ms,
            "text": word.text + (" " if spaced and not word.punctuation and not is_wide(word.text) else ""),
            "punctuation": word.punctuation,
            **sure,
        }
        for word in words_of(sentence)
    ]


def clauses(sentence: Sentence) -> list[Sentence]:
    """Split a sentence after each word with punctuation, as filetrans does with `enable_words`."""
    parts: list[list[Word]] = [[]]
    for word in words_of(sentence):
        parts[-1].append(word)
        if word.punctuation:
            parts.append([])
    return [_clause(sentence, tuple(words)) for words in parts if words]


def _clause(sentence: Sentence, words: tuple[Word, ...]) -> Sentence:
    text = ""
    for word in words:
        text += separator(text, word.text) + word.text + word.punctuation
    return msgspec.structs.replace(
        sentence, text=text, begin_ms=words[0].begin_ms, end_ms=words[-1].end_ms, words=words
    )
