"""Unknown fields of a session. They are accepted and listed in `dashscope.ignored`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, get_args

import msgspec

MOST: Final = 64
"""Maximum number of names kept, and of characters of each. A client can send as many as fit into a frame."""
_OURS = {
    *("id", "object", "expires_at", "client_secret"),
    *(f"dashscope.{name}" for name in ("model", "language", "threshold", "silence_duration_ms", "ignored", "engine")),
}
"""Fields of the session object, repeated by clients that send the whole object back."""
_TEXT = ["text"]
_SHORT = (
    ("audio.input.", ""),
    ("input_audio_transcription.", "transcription."),
    ("input_audio_noise_reduction.", "noise_reduction."),
    ("input_audio_format.", "format."),
)


def unread(raw: Any, shape: type[msgspec.Struct]) -> dict[str, bool]:  # noqa: ANN401 - any JSON
    """Return the paths of the fields in decoded JSON that `shape` does not have.

    A path maps to whether the field has a value; null and empty values request nothing.
    """
    paths = {
        _short(path): value not in (None, "", [], {}) and not (path.endswith("modalities") and value == _TEXT)
        for path, value in _walk(raw, shape, "")
        if path not in _OURS
    }
    return dict(list(paths.items())[:MOST])


def _walk(raw: Any, shape: type[msgspec.Struct], prefix: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    if not isinstance(raw, dict):
        return
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(shape)}
    for name, value in raw.items():
        if name not in fields:
            yield prefix + name[:MOST], value
            continue
        for part in (fields[name], *get_args(fields[name])):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield from _walk(value, part, f"{prefix}{name}.")


def _short(path: str) -> str:
    """Return the same name for a field, whether the client nests it or not."""
    return next((short + path.removeprefix(long) for long, short in _SHORT if path.startswith(long)), path)
