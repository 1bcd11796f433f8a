"""Options of DashScope's models that callers may set by form fields of the same names, and of what kind they are."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from compat.errors import BadRequest
from compat.nesting import too_deep
from compat.transcript import Option

Kind = Literal["switch", "number", "numbers", "text", "texts", "object"]
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


def option(name: str, values: tuple[str, ...], *, as_text: bool) -> Option:
    """Raises BadRequest naming the parameter when a value is not of the option's kind. `as_text`: an object stays the
    JSON that it came as."""
    kind = OPTIONS[name]
    single = values[-1].strip()
    match kind:
        case "switch" if single.lower() in ("true", "1", "false", "0"):
            return single.lower() in ("true", "1")
        case "number" if single.isdecimal():
            return int(single)
        case "numbers" if all(str(value).isdecimal() for value in _split(values)):
            return [int(value) for value in _split(values)]
        case "object" if (found := _object(single)) is not None:
            return single if as_text else found
        case "text":
            return single
        case "texts":
            return _split(values)
        case _:
            raise BadRequest(f"{name} should be {WANTED[kind]}.", param=name)


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return None
    return None if too_deep(found) else found


def _split(values: tuple[str, ...]) -> list[int | str]:
    """Lists come as repeated fields, as one with commas, or as a JSON array."""
    return [part.strip(" \"'") for value in values for part in value.strip().strip("[]").split(",") if part.strip()]
