"""JSON objects for background jobs and their webhooks: an extension modelled on OpenAI's background responses.

{"id": "transcription_…-0", "object": "transcription.job", "status": "in_progress", "created_at": 1790000000,
 "model": "whisper-1", "error": null, "progress": 0.35, "seconds_done": 1260.0, "seconds_total": 3600.0,
 "pieces_done": 42}
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from compat.errors import CompatError

Status = Literal["queued", "in_progress", "completed", "failed", "cancelled", "expired"]
NO_JOB = "There is no such job"  # begins the message about an unknown id
NOWHERE = f"transcription_{'0' * 32}-0"  # the id of no job
_ID = re.compile(r"(transcription_[0-9a-f]{32})-(\d{1,4})")


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the audio is transcribed: `progress` is 0 to 1. None means unknown: a file task of DashScope reports
    no progress, and the length of audio at a `url` is not known before its end."""

    progress: float | None = None
    seconds_done: float | None = None
    seconds_total: float | None = None
    pieces_done: int | None = None


class JobObject(msgspec.Struct, frozen=True, kw_only=True):
    """A job. `error` is the error object of a failed or cancelled job, in the format of OpenAI's error responses. The
    last four fields are those of Progress."""

    id: str
    object: Literal["transcription.job"] = "transcription.job"
    status: Status
    created_at: int
    model: str
    error: dict[str, Any] | None = None
    progress: float | None = None
    seconds_done: float | None = None
    seconds_total: float | None = None
    pieces_done: int | None = None


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


def progress(total: float, seconds: float | None = None, pieces: int | None = None) -> Progress:
    """Return the progress after `seconds` of `total` seconds of audio, in `pieces`. A `total` of 0 is unknown."""
    return Progress(
        progress=round(min(seconds / total, 1.0), 3) if seconds is not None and total else None,
        seconds_done=None if seconds is None else round(seconds, 1),
        seconds_total=round(total, 1) or None,
        pieces_done=pieces,
    )


def body(
    public_id: str, status: Status, *, created: float, model: str, error: CompatError | None, progress: Progress
) -> bytes:
    """Return a job as JSON. `created` is in seconds since the epoch."""
    fault = error.body()["error"] if error is not None else None
    return msgspec.json.encode(
        JobObject(
            id=public_id,
            status=status,
            created_at=int(created),
            model=model,
            error=fault,
            **msgspec.structs.asdict(progress),
        )
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
