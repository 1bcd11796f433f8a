"""Validation of `chunking_strategy`: OpenAI's VadConfig, or `auto`. It has no effect: the service segments the audio.

Clients send a word, JSON, a printed Python dict or bracket fields (`chunking_strategy[type]`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from compat.errors import BadRequest
from compat.openai_api.fields import ABSENT, Fields, choice, number

PARAM = "chunking_strategy"
TYPES = ("auto", "server_vad")


class Members(msgspec.Struct, frozen=True):
    """The members of an object that are validated. OpenAI's `create_response` and others are ignored."""

    type: object = None
    prefix_padding_ms: object = None
    silence_duration_ms: object = None
    threshold: object = None


def given(form: Fields) -> bool:
    """Return whether a chunking_strategy was sent. Raises BadRequest if it is invalid."""
    text = form.one(PARAM)
    if text and form.strategy:
        raise BadRequest(f"{PARAM} was sent more than once: as one field and as bracket fields.", param=PARAM)
    if form.strategy:
        _check(form.strategy)
    elif text.startswith("{"):
        try:
            _check(msgspec.structs.asdict(msgspec.json.decode(_json(text), type=Members)))
        except (msgspec.MsgspecError, RecursionError) as exc:
            raise BadRequest(f"{PARAM} cannot be read: send auto or a JSON object.", param=PARAM) from exc
    elif text:
        choice(text, TYPES, PARAM)
    return bool(form.strategy or text)


def _check(members: Mapping[str, object]) -> None:
    """Raise BadRequest unless the values are in OpenAI's ranges. Null members count as absent."""
    values = {name: str(value).strip() for name, value in members.items() if value is not None}
    values = {name: value for name, value in values.items() if value.lower() not in ABSENT}
    if "type" not in values:
        raise BadRequest(f"{PARAM}[type] is missing: send {' or '.join(TYPES)}.", param=PARAM)
    if values["type"].lower() not in TYPES:
        raise BadRequest(f"{PARAM}[type] {values['type'][:40]!r} is not one of {', '.join(TYPES)}.", param=PARAM)
    for name in ("prefix_padding_ms", "silence_duration_ms"):
        value = number(values.get(name, "0"))
        if value is None or value < 0 or not value.is_integer():
            raise BadRequest(f"{PARAM}[{name}] {values[name][:40]!r} is not a whole number of at least 0.", param=PARAM)
    threshold = number(values.get("threshold", "0"))
    if threshold is None or not 0 <= threshold <= 1:
        raise BadRequest(f"{PARAM}[threshold] {values['threshold'][:40]!r} is not a number from 0 to 1.", param=PARAM)


def _json(text: str) -> str:
    """Convert a printed Python dict to JSON. This is safe because no valid value contains quotes."""
    words = {"'": '"', "True": "true", "False": "false", "None": "null"}
    return text if '"' in text else re.sub("'|True|False|None", lambda match: words[match[0]], text)
