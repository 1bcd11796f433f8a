"""Which fields of a session nothing here reads: they are taken, and named in `dashscope.ignored`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, get_args

import msgspec

MOST: Final = 64
"""Names that are kept, and characters of each: a caller may invent as many as fit into a frame."""
_OURS = {
    *("id", "object", "expires_at", "client_secret"),
    *(f"dashscope.{name}" for name in ("model", "threshold", "silence_duration_ms", "ignored", "engine")),
}
"""What a client that sends the whole session back repeats."""
_TEXT = ["text"]
_SHORT = (
    ("audio.input.", ""),
    ("input_audio_transcription.", "transcription."),
    ("input_audio_noise_reduction.", "noise_reduction."),
    ("input_audio_format.", "format."),
)


def unread(said: Any, shape: type[msgspec.Struct]) -> dict[str, bool]:  # noqa: ANN401 - any JSON
    """The paths in a session as decoded from JSON that `shape` has no field for. True where there is a value: null and
    what is empty ask for nothing."""
    found = {
        _short(path): value not in (None, "", [], {}) and not (path.endswith("modalities") and value == _TEXT)
        for path, value in _walk(said, shape, "")
        if path not in _OURS
    }
    return dict(list(found.items())[:MOST])


def _walk(said: Any, shape: type[msgspec.Struct], prefix: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    if not isinstance(said, dict):
        return
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(shape)}
    for name, value in said.items():
        if name not in fields:
            yield prefix + name[:MOST], value
            continue
        for part in (fields[name], *get_args(fields[name])):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield from _walk(value, part, f"{prefix}{name}.")


def _short(path: str) -> str:
    """One name for a field, however the caller nests it."""
    return next((short + path.removeprefix(long) for long, short in _SHORT if path.startswith(long)), path)
