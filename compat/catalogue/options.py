"""DashScope options that clients set with form fields of the same name, and their types."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from compat.catalogue.nesting import too_deep
from compat.config import parsers
from compat.errors import BadRequest
from compat.transcript import Option

Kind = Literal["switch", "number", "numbers", "text", "texts", "object"]
_DIGITS = 9
OPTIONS: dict[str, Kind] = {
    "audio_event_detection_enabled": "switch",
    "channel_id": "numbers",
    "diarization_enabled": "switch",
    "disfluency_removal_enabled": "switch",
    "enable_itn": "switch",
    "enable_lid": "switch",
    "enable_words": "switch",
    "language_hints": "texts",
    "speaker_count": "number",
    "special_word_filter": "object",
    "timestamp_alignment_enabled": "switch",
    "vocabulary": "object",
    "vocabulary_id": "text",
}
WANTED = {"switch": "true or false", "number": "a whole number", "numbers": "whole numbers", "object": "a JSON object"}


def option(name: str, sent: tuple[str, ...], *, as_text: bool) -> Option:
    """Return the typed value of an option from the form values sent for it.

    With `as_text`, an object is checked but returned as the JSON string that was sent. Raises BadRequest, with the
    option as `param`, for a value of the wrong type.
    """
    kind = OPTIONS[name]
    single = sent[-1].strip()
    match kind:
        case "switch" if (switched := _switch(single)) is not None:
            return switched
        case "number" if _is_number(single):
            return int(single)
        case "numbers" if all(_is_number(value) for value in _split(sent)):
            return [*dict.fromkeys(int(value) for value in _split(sent))]  # a repeated channel would be billed twice
        case "object" if (parsed := _object(single)) is not None:
            return single if as_text else parsed
        case "text":
            return single
        case "texts":
            return [*_split(sent)]
        case _:
            raise BadRequest(f"{name} should be {WANTED[kind]}.", param=name)


def _switch(text: str) -> bool | None:
    try:
        return parsers.switch(text)
    except ValueError:
        return None


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return None
    return None if too_deep(value) else value


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _DIGITS


def _split(sent: tuple[str, ...]) -> list[str]:
    """Split a list sent as repeated fields, as one comma-separated field or as a JSON array."""
    return [part.strip(" \"'") for value in sent for part in value.strip().strip("[]").split(",") if part.strip()]
