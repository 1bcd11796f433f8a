"""Long jobs as callers see them: an extension of OpenAI's API, in the manner of its background answers and webhooks.

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
    """`error` is what became of a job that failed or was cancelled, as in OpenAI's error answers."""

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
    """What a webhook is told: not the transcript, which its receiver fetches with a key."""

    id: str
    object: Literal["event"] = "event"
    created_at: int
    type: str
    data: Subject


def body(public_id: str, status: Status, *, created: float, model: str, error: CompatError | None) -> bytes:
    told = error.body()["error"] if error is not None else None
    return msgspec.json.encode(JobObject(id=public_id, status=status, created_at=int(created), model=model, error=told))


def event(public_id: str, status: Status, now: float) -> bytes:
    return msgspec.json.encode(
        WebhookEvent(
            id=event_id(public_id),
            created_at=int(now),
            type=f"transcription.job.{status}",
            data=Subject(id=public_id, status=status),
        )
    )


def event_id(public_id: str) -> str:
    """The same for every attempt, so that a receiver can tell a repetition."""
    return f"evt_{public_id}"


def public_id(job_id: str, view: int) -> str:
    """Callers who ask for the same in several formats share a job; each has an id of their own."""
    return f"{job_id}-{view}"


def parse_id(text: str) -> tuple[str, int] | None:
    found = _ID.fullmatch(text)
    return (found[1], int(found[2])) if found else None
