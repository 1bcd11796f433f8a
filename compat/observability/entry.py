"""The record of one request, filled in while it is handled and used at its end for the log entry, metrics and span."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType


class RequestEntry(msgspec.Struct, kw_only=True):
    """A field is UNSET until its value is known. Fields in `_ms` are durations; `audio_seconds` and `audio_bytes`
    describe the upload. `caller` is the name of the client's key; `error` and `param` are the `code` and `param` of
    OpenAI's error object."""

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
    job: str | UnsetType = UNSET
    first_delta_ms: float | UnsetType = UNSET
    final_ms: float | UnsetType = UNSET
    render_ms: float | UnsetType = UNSET
    error: str | UnsetType | None = UNSET
    param: str | UnsetType | None = UNSET
    ms: float | UnsetType = UNSET

    def fields(self) -> dict[str, object]:
        """Return the fields that are set, by name."""
        known: dict[str, object] = msgspec.to_builtins(self)
        return known
