"""Stored vocabularies (lists of hot words): the models that take them, and the limits on a list and its words.

A list belongs to one model, its target. With any other model the service ignores it without an error. An account may
have 10 lists. (Model Studio, "Improve recognition accuracy" and "Custom vocabulary HTTP API", 2026-10.)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from compat import languages
from compat.catalogue import live
from compat.catalogue.biasing import LONGEST_WORD, MOST_PARTS, WEIGHT, fits
from compat.catalogue.models import resolve
from compat.config.parsers import Family
from compat.errors import BadRequest, ModelNotFound

USABLE: Final = "OK"
"""The status of a list that the service applies. It ignores an UNDEPLOYED one without an error."""
SUPER: Final = 50
"""The weight of a "super" hot word, for qwen-audio-3."""
MOST_SUPER: Final = 50
LONGEST_PREFIX: Final = 9
_SMALLER: Final = r"paraformer-.*|fun-asr(-mtl|(-flash-8k)?-realtime)?-\d{4}-\d{2}-\d{2}"
_PREFIX: Final = re.compile(rf"[a-z0-9]{{1,{LONGEST_PREFIX}}}")
_TAKERS: Final = "fun-asr, fun-asr-realtime, paraformer-v2 and qwen-audio-3.1-asr-flash do"


class HotWord(msgspec.Struct, frozen=True):
    """A hot word. `lang` is the code of its language. If a request has `language_hints`, the service applies only the
    words of those languages."""

    text: str
    weight: int = WEIGHT
    lang: str | None = None

    def plain(self) -> dict[str, str | int]:
        """Return the word as DashScope's API and this server's have it: {"text", "weight", "lang"?}."""
        return {"text": self.text, "weight": self.weight, **({"lang": self.lang} if self.lang else {})}


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True):
    """A stored list. Times are seconds since the epoch. What the service did not report is None."""

    id: str
    target_model: str | None = None
    status: str | None = None
    created: int | None = None
    modified: int | None = None
    words: tuple[HotWord, ...] | None = None


def takes(model: str) -> bool:
    """Return whether a DashScope model takes a stored list."""
    live_row = live.find(model)
    return "vocabulary_id" in (live_row.parameters if live_row else resolve(model, {})[1].options)


def max_words(model: str) -> int:
    """Return the maximum number of words in a list for a model."""
    return 500 if re.fullmatch(_SMALLER, model) else 2000


def target(name: str, aliases: Mapping[str, str], family: Family = "qwen3-asr") -> str:
    """Return the DashScope id of the model that a new list is for. Raises BadRequest if it takes no list."""
    try:
        model = resolve(name, aliases, family)[0]
    except ModelNotFound as exc:
        raise BadRequest(exc.message, param="target_model", code=exc.code) from exc
    if not takes(model):
        raise BadRequest(f"{model} takes no stored vocabulary; {_TAKERS}.", param="target_model")
    return model


def check_prefix(prefix: str) -> None:
    """Raise BadRequest for a prefix that the service would not accept."""
    if not _PREFIX.fullmatch(prefix):
        raise BadRequest(
            f"prefix should be 1 to {LONGEST_PREFIX} lower-case letters and digits; it becomes part of the id.",
            param="prefix",
        )


def checked(words: Iterable[HotWord], model: str) -> tuple[HotWord, ...]:
    """Return the words of a list for `model`, without repetitions and superfluous spaces.

    Raises BadRequest with a `param` such as `vocabulary[2].weight`. The message does not contain the word.
    """
    found: dict[tuple[str, str | None], HotWord] = {}
    for number, given in enumerate(words):
        word = _checked(given, f"vocabulary[{number}]", model)
        known = found.setdefault((word.text, word.lang), word)
        if known.weight != word.weight:
            raise BadRequest(
                f"vocabulary[{number}] repeats a word with another weight.", param=f"vocabulary[{number}].weight"
            )
    if not 1 <= len(found) <= max_words(model):
        raise BadRequest(
            f"vocabulary has {len(found)} words; a list for {model} has 1 to {max_words(model)}.", param="vocabulary"
        )
    if (supers := Counter(word.weight for word in found.values())[SUPER]) > MOST_SUPER:
        raise BadRequest(f"{supers} words have the weight {SUPER}; {MOST_SUPER} may.", param="vocabulary")
    return tuple(found.values())


def instant(given: Mapping[str, object], model: str) -> dict[str, int]:
    """Return the hot words of one request with their weights. Raises BadRequest with the param `vocabulary`."""
    words = [HotWord(text, weight) for text, weight in given.items() if type(weight) is int]
    if len(words) < len(given):
        raise BadRequest('vocabulary should give each word a weight: {"Qwen": 4}.', param="vocabulary")
    try:
        return {word.text: word.weight for word in checked(words, model)} if words else {}
    except BadRequest as exc:
        raise BadRequest(exc.message, param="vocabulary") from exc


def _checked(word: HotWord, place: str, model: str) -> HotWord:
    text = " ".join(word.text.split())
    if not text:
        raise BadRequest(f"{place}.text is empty.", param=f"{place}.text")
    if not fits(text):
        long = (
            f"has {len(text.split())} parts separated by spaces; an ASCII word has {MOST_PARTS} at most"
            if text.isascii()
            else f"has {len(text)} characters; a word that is not ASCII has {LONGEST_WORD} at most"
        )
        raise BadRequest(f"{place}.text {long}.", param=f"{place}.text")
    super_words = model.startswith("qwen-audio-3.")
    if not (1 <= word.weight <= 5 or (word.weight == SUPER and super_words)):
        more = f", or {SUPER}" if super_words else f" for {model}"
        raise BadRequest(f"{place}.weight should be 1 to 5{more}.", param=f"{place}.weight")
    return HotWord(text, word.weight, _language(word.lang, f"{place}.lang") if word.lang else None)


def _language(text: str, param: str) -> str:
    """Return the code of a language. These models call Filipino `tl` (Tagalog)."""
    try:
        code = languages.parse(text)
    except ValueError as exc:
        raise BadRequest(f"{param}: {exc}", param=param) from exc
    return "tl" if code == "fil" else code
