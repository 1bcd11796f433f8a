"""Bodies of /v1/dashscope/vocabularies: DashScope's names in the shapes of OpenAI's lists and objects.

{"id": "vocab-books-…", "object": "dashscope.vocabulary", "created_at": 1795910400, "updated_at": 1795910400,
 "target_model": "fun-asr", "status": "OK", "vocabulary": [{"text": "Qwen", "weight": 5, "lang": "en"}]}

Error messages name the place of a word, and neither they nor `param` contain it, because `param` is logged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from compat.catalogue.vocabularies import HotWord, Vocabulary
from compat.errors import BadRequest
from compat.openai_api.fields import single_values
from compat.openai_api.shapes import decoded

OBJECT: Final = "dashscope.vocabulary"
MOST: Final = 100
USUAL: Final = 20
"""Maximum and default of `limit`, as in OpenAI's lists."""
QUERY: Final = ("limit", "after", "order", "prefix")


class WordBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str
    weight: int = HotWord("").weight
    lang: str | None = None


Words = list[str | WordBody] | dict[str, int]
"""Words as objects, as texts of weight 4, or as an object of texts and weights."""


class Update(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    vocabulary: Words

    @property
    def words(self) -> list[HotWord]:
        return hot_words(self.vocabulary)


class Creation(Update, frozen=True, forbid_unknown_fields=True):
    target_model: str
    prefix: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The query of a list: at most `limit` vocabularies after the one with the id `after`, newest first."""

    limit: int = USUAL
    after: str = ""
    ascending: bool = False
    prefix: str = ""


Body = TypeVar("Body", bound=Update)


def body(json: bytes, shape: type[Body]) -> Body:
    """Decode a request body. Raises BadRequest."""
    return decoded(json, shape)


def hot_words(words: Words) -> list[HotWord]:
    if isinstance(words, dict):
        return [HotWord(text, weight) for text, weight in words.items()]
    plain = (WordBody(word) if isinstance(word, str) else word for word in words)
    return [HotWord(word.text, word.weight, word.lang) for word in plain]


def words(json: bytes) -> list[HotWord]:
    """Return the words in JSON: as in a request, alone or as the `vocabulary` of an object. Raises BadRequest."""
    given = decoded(json, Any)
    if isinstance(given, dict) and isinstance(given.get("vocabulary"), list | dict):
        given = given["vocabulary"]
    return decoded(msgspec.json.encode({"vocabulary": given}), Update).words


def page(query: Iterable[tuple[str, str]]) -> Page:
    """Return the page that a query asks for. Raises BadRequest."""
    given = single_values(query)
    if unknown := [name for name in given if name not in QUERY]:
        raise BadRequest(f"{unknown[0][:64]} is not a parameter here; {', '.join(QUERY)} are.", param=unknown[0][:64])
    limit, order = given.get("limit") or str(USUAL), given.get("order") or "desc"
    if not (limit.isascii() and limit.isdecimal() and len(limit) < 4 and 1 <= int(limit) <= MOST):
        raise BadRequest(f"limit should be 1 to {MOST}.", param="limit")
    if order not in ("asc", "desc"):
        raise BadRequest("order should be asc or desc.", param="order")
    after, prefix = given.get("after", ""), given.get("prefix", "")
    return Page(limit=int(limit), after=after, ascending=order == "asc", prefix=prefix)


def cut(vocabularies: Sequence[Vocabulary], page: Page) -> tuple[list[Vocabulary], bool]:
    """Return the vocabularies of a page, and whether there are more. `vocabularies` has the newest first.

    Raises BadRequest if `after` is not among them.
    """
    ordered = list(reversed(vocabularies)) if page.ascending else list(vocabularies)
    begin = 0
    if page.after:
        begin = next((place for place, each in enumerate(ordered, 1) if each.id == page.after), 0)
        if not begin:
            raise BadRequest(f"after: there is no vocabulary {page.after[:80]!r}.", param="after")
    return ordered[begin : begin + page.limit], begin + page.limit < len(ordered)


def shown(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return a vocabulary as JSON's types. Without words it is an entry of a list."""
    entry = {
        "id": vocabulary.id,
        "object": OBJECT,
        "created_at": vocabulary.created,
        "updated_at": vocabulary.modified,
        "target_model": vocabulary.target_model,
        "status": vocabulary.status,
    }
    return entry if vocabulary.words is None else {**entry, "vocabulary": [word.plain() for word in vocabulary.words]}


def listing(page: Sequence[Vocabulary], *, more: bool) -> dict[str, Any]:
    return {
        "object": "list",
        "data": [shown(vocabulary) for vocabulary in page],
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
        "has_more": more,
    }


def deleted(vocabulary_id: str) -> dict[str, Any]:
    return {"id": vocabulary_id, "object": f"{OBJECT}.deleted", "deleted": True}
