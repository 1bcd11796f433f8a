"""Options of DashScope's models that callers may set by form fields of the same names, and of what kind they are."""

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
    "vocabulary_id": "text",
}
WANTED = {"switch": "true or false", "number": "a whole number", "numbers": "whole numbers", "object": "a JSON object"}


def option(name: str, sent: tuple[str, ...], *, as_text: bool) -> Option:
    """Raises BadRequest naming the parameter when a value is not of the option's kind. `as_text`: an object stays the
    JSON that it came as."""
    kind = OPTIONS[name]
    single = sent[-1].strip()
    match kind:
        case "switch" if (found := _switch(single)) is not None:
            return found
        case "number" if _is_number(single):
            return int(single)
        case "numbers" if all(_is_number(value) for value in _split(sent)):
            return [*dict.fromkeys(int(value) for value in _split(sent))]  # a channel heard twice would be paid twice
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
        found = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return None
    return None if too_deep(found) else found


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _DIGITS


def _split(sent: tuple[str, ...]) -> list[str]:
    """Lists come as repeated fields, as one with commas, or as a JSON array."""
    return [part.strip(" \"'") for value in sent for part in value.strip().strip("[]").split(",") if part.strip()]
