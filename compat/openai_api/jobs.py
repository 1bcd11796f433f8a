"""JSON objects for background jobs and their webhooks: an extension modelled on OpenAI's background responses.

{"id": "transcription_…-0", "object": "transcription.job", "status": "in_progress", "created_at": 1790000000,
 "model": "whisper-1"}
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from compat.errors import CompatError

Status = Literal["queued", "in_progress", "completed", "failed", "cancelled", "expired"]
_ID = re.compile(r"(transcription_[0-9a-f]{32})-(\d{1,4})")


class JobObject(msgspec.Struct, frozen=True, kw_only=True):
    """A job. `error` is the error object of a failed or cancelled job, in the format of OpenAI's error responses."""

    id: str
    object: Literal["transcription.job"] = "transcription.job"
    status: Status
    created_at: int
    model: str
    error: dict[str, Any] | None = None


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["transcription.job"] = "transcription.job"
    status: Status


class WebhookEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a webhook request. It has no transcript; the receiver fetches that with an API key."""

    id: str
    object: Literal["event"] = "event"
    created_at: int
    type: str
    data: Subject


def body(public_id: str, status: Status, *, created: float, model: str, error: CompatError | None) -> bytes:
    """Return a job as JSON. `created` is in seconds since the epoch."""
    fault = error.body()["error"] if error is not None else None
    return msgspec.json.encode(
        JobObject(id=public_id, status=status, created_at=int(created), model=model, error=fault)
    )


def event(public_id: str, status: Status, now: float) -> bytes:
    """Return the body of a webhook request as JSON. `now` is in seconds since the epoch."""
    return msgspec.json.encode(
        WebhookEvent(
            id=event_id(public_id),
            created_at=int(now),
            type=f"transcription.job.{status}",
            data=Subject(id=public_id, status=status),
        )
    )


def event_id(public_id: str) -> str:
    """Return the id of a job's event. All delivery attempts share it, so that the receiver can detect duplicates."""
    return f"evt_{public_id}"


def public_id(job_id: str, view: int) -> str:
    """Return the id that clients see.

    Requests that differ only in the response format share a job; each has an id with a different `view`.
    """
    return f"{job_id}-{view}"


def parse_id(text: str) -> tuple[str, int] | None:
    """Split a public id into job id and view. Returns None if it is not one."""
    match = _ID.fullmatch(text)
    return (match[1], int(match[2])) if match else None
