"""Job records for tests."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from compat.jobs.records import Job, kept
from compat.transcript import Media, Request

MEDIA = Media(
    path=Path("upload"),
    size=96_044,
    container="wav",
    mime="audio/wav",
    suffix=".wav",
    duration=600.5,
    rate=16000,
    channels=1,
)
REQUEST = Request(model="qwen3-asr-flash-filetrans", surface="filetrans", media=MEDIA, words=True)


def a_job(**changes: Any) -> Job:  # noqa: ANN401 - any field of Job
    """Return a job with a unique id and key that is due in the far future."""
    name = uuid.uuid4().hex
    given = {
        "id": f"job_{name}",
        "key": f"key_{name}",
        "owner": "alice",
        "service": "beijing",
        "asked": kept(REQUEST),
        "holder": "this process",
        "created": 80.0,
        "due": 4_000_000_100.0,
    }
    return Job(**{**given, **changes})
