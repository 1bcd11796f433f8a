"""What is known of one request, for its log line, its metrics and its span: written by those who learn it, read when
the request ends."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType


class RequestEntry(msgspec.Struct, kw_only=True):
    """A field is UNSET while it is not known. Durations end in `_ms`; `audio_seconds` and `audio_bytes` are the
    upload's. `caller` is the name of a key, `error` a code of OpenAI's error object and `param` its parameter."""

    request_id: str | UnsetType = UNSET
    client: str | UnsetType = UNSET
    method: str
    path: str = ""
    status: int | UnsetType = UNSET
    caller: str | UnsetType = UNSET
    upload_ms: float | UnsetType = UNSET
    model: str | UnsetType = UNSET
    road: str | UnsetType = UNSET
    format: str | UnsetType = UNSET
    audio_seconds: float | UnsetType = UNSET
    audio_bytes: int | UnsetType = UNSET
    first_delta_ms: float | UnsetType = UNSET
    final_ms: float | UnsetType = UNSET
    render_ms: float | UnsetType = UNSET
    error: str | UnsetType | None = UNSET
    param: str | UnsetType | None = UNSET
    ms: float | UnsetType = UNSET

    def fields(self) -> dict[str, object]:
        """What is known, by name."""
        known: dict[str, object] = msgspec.to_builtins(self)
        return known
