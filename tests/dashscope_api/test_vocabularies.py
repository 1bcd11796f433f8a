"""Calls and replies of stored vocabularies; shapes are those of the service's documentation."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from compat.catalogue.vocabularies import HotWord, Vocabulary
from compat.dashscope_api import vocabularies
from compat.dashscope_api.calls import Call, Reply
from compat.errors import CompatError, NotFound, ServiceFailed

WORDS = (HotWord("Qwen", 5), HotWord("通义", 4, "zh"))
PLAIN = [{"text": "Qwen", "weight": 5}, {"text": "通义", "weight": 4, "lang": "zh"}]
CALLS: list[tuple[Call, dict[str, Any], bool]] = [
    # call → its input, and whether it may be repeated
    (
        vocabularies.create("fun-asr", "books", WORDS),
        {"action": "create_vocabulary", "target_model": "fun-asr", "prefix": "books", "vocabulary": PLAIN},
        False,
    ),
    (vocabularies.page("", 0), {"action": "list_vocabulary", "page_index": 0, "page_size": 10}, True),
    (
        vocabularies.page("books", 2),
        {"action": "list_vocabulary", "page_index": 2, "page_size": 10, "prefix": "books"},
        True,
    ),
    (vocabularies.query("v"), {"action": "query_vocabulary", "vocabulary_id": "v"}, True),
    (vocabularies.update("v", WORDS), {"action": "update_vocabulary", "vocabulary_id": "v", "vocabulary": PLAIN}, True),
    (vocabularies.delete("v"), {"action": "delete_vocabulary", "vocabulary_id": "v"}, True),
]


@pytest.mark.parametrize(("call", "given", "repeatable"), CALLS)
def test_each_action_is_a_call(call: Call, given: dict[str, Any], repeatable: bool) -> None:
    assert isinstance(call.body[0], bytes)
    assert {"model": "speech-biasing", "input": given} == msgspec.json.decode(call.body[0])
    assert ("/api/v1/services/audio/asr/customization", repeatable) == (call.url, call.repeatable)


def reply(output: object, status: int = 200) -> Reply:
    body = {"output": output, "usage": {"count": 1}, "request_id": "r"} if status == 200 else output
    return Reply(status=status, body=msgspec.json.encode(body))


ENTRY = {"gmt_create": "2026-11-29 08:00:00", "gmt_modified": "2026-11-29 08:00:01", "status": "OK"}


def test_replies_are_read() -> None:
    times: dict[str, Any] = {"created": 1795910400, "modified": 1795910401, "status": "OK"}
    whole = {**ENTRY, "target_model": "fun-asr", "vocabulary": PLAIN}

    assert "vocab-1" == vocabularies.created(reply({"vocabulary_id": "vocab-1"}))
    assert [Vocabulary(id="v", **times)] == vocabularies.listed(
        reply({"vocabulary_list": [{"vocabulary_id": "v", **ENTRY}, ENTRY]})
    )
    assert [] == vocabularies.listed(reply({}))
    assert Vocabulary(id="v", target_model="fun-asr", words=WORDS, **times) == vocabularies.queried("v", reply(whole))
    vocabularies.check(reply({}))


@pytest.mark.parametrize("time", [None, "", "yesterday", "2026-11-29"])
def test_an_unreadable_time_is_left_out(time: str | None) -> None:
    found = vocabularies.queried("v", reply({"gmt_create": time, "vocabulary": [{"text": "a", "weight": 4.0}]}))

    assert (None, (HotWord("a", 4),)) == (found.created, found.words)


BROKEN = [
    (reply({"code": "BadRequest.ResourceNotExist", "message": "no"}, 400), NotFound),
    (reply(None), ServiceFailed),
    (reply({"vocabulary": "x", "vocabulary_list": 3}), ServiceFailed),
]


@pytest.mark.parametrize(("answer", "error"), BROKEN)
def test_errors_are_raised(answer: Reply, error: type[CompatError]) -> None:
    for read in (vocabularies.created, lambda answer: vocabularies.queried("v", answer)):
        with pytest.raises(error):
            read(answer)
