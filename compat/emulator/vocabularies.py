"""Stored vocabularies (hot words): create, list, query, update and delete. They do not affect recognition.

Sources: Model Studio's pages of the hot word API and on recognition accuracy (2026-10), and the official Python package
(2.0.2). The service's error messages are unknown.
"""

from __future__ import annotations

import re
import uuid
from typing import Annotated, Any, TypeAlias, assert_never

import msgspec
from starlette.responses import Response

from compat.emulator import refusals
from compat.emulator.filetrans.responses import stamp
from compat.emulator.refusals import Refusal
from compat.emulator.state import Vocabulary
from compat.emulator.surface import ApiCall

MODEL = "speech-biasing"
PREFIX = re.compile(r"[a-z0-9]{1,9}")
CHARACTERS = 15  # maximum length of a word with a non-ASCII character
PARTS = 7  # maximum number of parts, separated by spaces, of an ASCII word
SECONDS = len("YYYY-MM-DD HH:MM:SS")
OLDER = re.compile(r"paraformer-.*|fun-asr(-mtl|(-flash-8k)?-realtime)?-\d{4}-\d{2}-\d{2}")

Natural: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class HotWord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A hot word. Weights other than 1 to 5 and 50 are accepted, as in the vendor's samples."""

    text: str
    weight: float
    lang: str | None = None


class _Create(msgspec.Struct, frozen=True, tag_field="action", tag="create_vocabulary"):
    target_model: str
    prefix: str
    vocabulary: list[HotWord]


class _Listing(msgspec.Struct, frozen=True, tag_field="action", tag="list_vocabulary"):
    prefix: str = ""
    page_index: Natural = 0
    page_size: Natural = 10


class _Query(msgspec.Struct, frozen=True, tag_field="action", tag="query_vocabulary"):
    vocabulary_id: str


class _Update(msgspec.Struct, frozen=True, tag_field="action", tag="update_vocabulary"):
    vocabulary_id: str
    vocabulary: list[HotWord]


class _Delete(msgspec.Struct, frozen=True, tag_field="action", tag="delete_vocabulary"):
    vocabulary_id: str


class _Customization(msgspec.Struct, frozen=True):
    model: str
    input: _Create | _Listing | _Query | _Update | _Delete


async def customize(call: ApiCall) -> Response:
    call.require("model", "input")
    ask = call.decode(_Customization)
    if ask.model != MODEL:
        raise Refusal(404, "ModelNotFound", "Model can not be found.")
    output = _output(call, ask.input)
    return refusals.json_response({"request_id": call.id, "output": output, "usage": {"count": 1}})


def _output(call: ApiCall, ask: _Create | _Listing | _Query | _Update | _Delete) -> dict[str, Any]:
    match ask:
        case _Create():
            return _created(call, ask)
        case _Listing():
            return _listed(call, ask)
        case _Query(vocabulary_id):
            found = _found(call, vocabulary_id)
            return {"target_model": found.target_model, "vocabulary": found.words} | _state(call, found)
        case _Update(vocabulary_id, words):
            found = _found(call, vocabulary_id)
            found.words, found.modified = _checked(call, words, found.target_model), call.emulator.clock()
            return {}
        case _Delete(vocabulary_id):
            del call.emulator.vocabularies[_found(call, vocabulary_id).id]
            return {}
        case _:
            assert_never(ask)


def _created(call: ApiCall, ask: _Create) -> dict[str, Any]:
    if not PREFIX.fullmatch(ask.prefix):
        raise refusals.invalid("prefix must consist of 1 to 9 lowercase letters or digits.")
    if not ask.target_model:
        raise refusals.invalid("target_model must not be empty.")
    words = _checked(call, ask.vocabulary, ask.target_model)
    limit = call.emulator.limits.vocabularies
    if len(_owned(call)) >= limit:
        raise refusals.invalid(f"At most {limit} vocabularies are allowed.")
    now = call.emulator.clock()
    made = Vocabulary(
        id=f"vocab-{ask.prefix}-{uuid.uuid4().hex}",
        account=call.account,
        target_model=ask.target_model,
        words=words,
        created=now,
        modified=now,
    )
    call.emulator.vocabularies[made.id] = made
    return {"vocabulary_id": made.id}


def _checked(call: ApiCall, words: list[HotWord], model: str) -> list[dict[str, Any]]:
    limits = call.emulator.limits
    limit = limits.vocabulary_words_older if OLDER.fullmatch(model) else limits.vocabulary_words
    if not 1 <= len(words) <= limit:
        raise refusals.invalid(f"vocabulary must have 1 to {limit} words.")
    for word in words:
        short = len(word.text.split()) <= PARTS if word.text.isascii() else len(word.text) <= CHARACTERS
        if not word.text.strip() or not short:
            raise refusals.invalid(
                f"A word may have at most {PARTS} parts, or {CHARACTERS} characters if it is not ASCII:"
                f" {word.text[:40]}"
            )
    built: list[dict[str, Any]] = msgspec.to_builtins(words)
    return built


def _listed(call: ApiCall, ask: _Listing) -> dict[str, Any]:
    found = [one for one in _owned(call) if one.id.startswith(f"vocab-{ask.prefix}")]
    page = found[ask.page_index * ask.page_size :][: ask.page_size]
    return {"vocabulary_list": [{"vocabulary_id": one.id} | _state(call, one) for one in page]}


def _owned(call: ApiCall) -> list[Vocabulary]:
    """Return the vocabularies of the account, newest first."""
    return [one for one in reversed(call.emulator.vocabularies.values()) if one.account == call.account]


def _found(call: ApiCall, vocabulary_id: str) -> Vocabulary:
    found = call.emulator.vocabularies.get(vocabulary_id)
    if found is None or found.account != call.account:
        raise Refusal(400, "BadRequest.ResourceNotExist", "The required resource does not exist.")
    return found


def _state(call: ApiCall, one: Vocabulary) -> dict[str, str]:
    return {
        "gmt_create": stamp(call.emulator, one.created)[:SECONDS],
        "gmt_modified": stamp(call.emulator, one.modified)[:SECONDS],
        "status": call.emulator.readings.vocabulary_status,
    }
