"""Stored vocabularies: POST /api/v1/services/audio/asr/customization with an `action`.

An update replaces all words; a second one within 5 minutes may have no effect. The pages of an account's lists contain
neither `target_model` nor words. Times have no zone; they are read as Beijing's, like those of file tasks.
(Model Studio "Custom vocabulary HTTP API" and "Improve recognition accuracy", 2026-10; dashscope 2.0.2.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import msgspec

from compat.catalogue.vocabularies import HotWord, Vocabulary
from compat.dashscope_api.calls import Call, Reply, json_call
from compat.dashscope_api.faults import Answer, read
from compat.errors import ServiceFailed

URL: Final = "/api/v1/services/audio/asr/customization"
PAGE: Final = 10
"""Vocabularies per page: the service's default. Its maximum is not documented."""
_BEIJING: Final = timezone(timedelta(hours=8))


class _Word(msgspec.Struct, frozen=True):
    text: str
    weight: float = 1
    lang: str | None = None


class _Entry(msgspec.Struct, frozen=True):
    vocabulary_id: str | None = None
    target_model: str | None = None
    status: str | None = None
    gmt_create: str | None = None
    gmt_modified: str | None = None
    vocabulary: list[_Word] | None = None

    def vocabulary_of(self, vocabulary_id: str) -> Vocabulary:
        words = None if self.vocabulary is None else tuple(map(_word, self.vocabulary))
        return Vocabulary(
            id=vocabulary_id,
            target_model=self.target_model,
            status=self.status,
            created=_seconds(self.gmt_create),
            modified=_seconds(self.gmt_modified),
            words=words,
        )


class _Output(_Entry, frozen=True):
    vocabulary_list: list[_Entry] | None = None


class VocabularyReply(Answer, frozen=True, kw_only=True):
    output: _Output | None = None


def create(target_model: str, prefix: str, words: Iterable[HotWord]) -> Call:
    """Return the call that stores a list. It is not repeatable, because an account has few lists."""
    given = {"target_model": target_model, "prefix": prefix, "vocabulary": [word.plain() for word in words]}
    return _call("create_vocabulary", given, repeatable=False)


def page(prefix: str, index: int) -> Call:
    """Return the call for a page of the account's lists, from 0. An empty prefix selects all lists."""
    given = {"page_index": index, "page_size": PAGE}
    return _call("list_vocabulary", {**given, "prefix": prefix} if prefix else given)


def query(vocabulary_id: str) -> Call:
    return _call("query_vocabulary", {"vocabulary_id": vocabulary_id})


def update(vocabulary_id: str, words: Iterable[HotWord]) -> Call:
    """Return the call that replaces the words of a list."""
    given = {"vocabulary_id": vocabulary_id, "vocabulary": [word.plain() for word in words]}
    return _call("update_vocabulary", given)


def delete(vocabulary_id: str) -> Call:
    return _call("delete_vocabulary", {"vocabulary_id": vocabulary_id})


def _call(action: str, given: dict[str, Any], *, repeatable: bool = True) -> Call:
    return json_call(URL, {"model": "speech-biasing", "input": {"action": action, **given}}, repeatable=repeatable)


def created(reply: Reply) -> str:
    """Return the id of a new list. Raises the error in the response, if any."""
    output = read(VocabularyReply, reply).output
    if output is None or not output.vocabulary_id:
        raise ServiceFailed("DashScope's response has no vocabulary_id.")
    return output.vocabulary_id


def listed(reply: Reply) -> list[Vocabulary]:
    """Return the lists of a page. Raises the error in the response, if any."""
    output = read(VocabularyReply, reply).output
    entries = (output.vocabulary_list if output else None) or []
    return [entry.vocabulary_of(entry.vocabulary_id) for entry in entries if entry.vocabulary_id]


def queried(vocabulary_id: str, reply: Reply) -> Vocabulary:
    """Return a list with its words. Raises the error in the response, if any."""
    output = read(VocabularyReply, reply).output
    if output is None:
        raise ServiceFailed("DashScope's response has no vocabulary.")
    return output.vocabulary_of(vocabulary_id)


def check(reply: Reply) -> None:
    """Raise the error in the response to an update or a deletion, if any."""
    read(VocabularyReply, reply)


def _word(word: _Word) -> HotWord:
    return HotWord(word.text, int(word.weight), word.lang)


def _seconds(text: str | None) -> int | None:
    """Return a time such as `2026-11-29 21:30:00` in seconds since the epoch; None if there is none."""
    with contextlib.suppress(ValueError):
        return int(datetime.strptime(f"{text}"[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=_BEIJING).timestamp())
    return None
