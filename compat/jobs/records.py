"""Job records: everything another process needs to continue a job, but no API key.

Jobs under way are paid for, so records have to survive an upgrade and a downgrade. Fields are only added, each with a
default, so an older release can read the records of a newer one. FORMAT is incremented when an older release would
misunderstand a record. The hash that identifies a job (`identity`) and the names of errors never change. tests/jobs
contains stores written by older releases.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from pathlib import Path
from typing import Literal

import msgspec

from compat.errors import Failure, ServiceUnavailable
from compat.spending.records import Charge
from compat.transcript import Ask, Media, Request, Surface, Transcript

State = Literal["queued", "running", "completed", "failed", "cancelled", "expired"]
log = logging.getLogger("compat.jobs")
FORMAT = 1
UNDER_WAY: tuple[State, ...] = ("queued", "running")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a Request needed to follow its task. The prompt and the file's path are not among them."""

    model: str
    surface: Surface
    language: str | None
    words: bool
    media: Media


class Hook(msgspec.Struct, frozen=True):
    """A webhook to call when the job ends.

    `view` is the index of the background request that it belongs to, `tries` the number of failed calls so far, and
    `at` the time of the next call in seconds since the epoch.
    """

    url: str
    view: int
    tries: int = 0
    at: float = 0.0


class DonePieces(msgspec.Struct, frozen=True):
    """The work done on a job: `seconds` of audio transcribed, in `pieces`."""

    seconds: float
    pieces: int


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as the stores keep it. Times are seconds since the epoch, by the clocks of the processes that share the
    store.

    `key`, `owner` and `service` are hashes: `key` is equal for identical requests, `owner` identifies the tenant, and
    `service` the DashScope account. `views` are the background requests for the job, which may want the one result in
    different formats; `left` are the indices of those that were cancelled.

    `holder` is the process that runs the job. `due` is the time at which a janitor has to look at the job; for a job
    under way, its holder is presumed dead by then. A caller in another process waits for the job until `awaited`. The
    result is erased at `until`. `version` grows with every change. For `format` see FORMAT. `progress` is that of
    the last heartbeat, None if the job's road reports none. Usage is counted under the name `client`. `charge` is what
    is reserved of that client's bound of audio, until it is settled.
    """

    id: str
    key: str
    owner: str
    service: str
    asked: Kept
    holder: str
    created: float
    due: float
    awaited: float = 0.0
    until: float = float("inf")
    state: State = "queued"
    task_id: str | None = None
    views: tuple[Ask, ...] = ()
    hooks: tuple[Hook, ...] = ()
    transcript: Transcript | None = None
    failure: Failure | None = None
    version: int = 0
    format: int = FORMAT
    left: tuple[int, ...] = ()
    progress: DonePieces | None = None
    client: str = ""
    charge: Charge | None = None

    @property
    def wanted(self) -> bool:
        """Whether a background request for the job remains."""
        return len(self.left) < len(self.views)

    @property
    def under_way(self) -> bool:
        return self.state in UNDER_WAY


def encode(job: Job) -> bytes:
    return msgspec.msgpack.encode(job, enc_hook=str)


class UnreadableRecord(ServiceUnavailable):
    """The record is damaged, or a newer release wrote it. Nothing is known about its job, not even whether it ended."""

    default_code = "job_unreadable"


def decode(record: bytes, job_id: str) -> Job:
    """Return the job in `record`. Raises UnreadableRecord, and logs that once per job."""
    try:
        job = msgspec.msgpack.decode(record, type=Job, dec_hook=lambda kind, value: kind(value))
    except msgspec.MsgspecError:
        job = None
    if job is None or job.format > FORMAT:
        _report(job_id)
        raise UnreadableRecord("This job cannot be read: a newer release of this server wrote it, or it is damaged.")
    return job


@functools.lru_cache(maxsize=1024)
def _report(job_id: str) -> None:
    log.error("a job's record cannot be read", extra={"fields": {"job": job_id}})


def identity(content: str, owner: str, service: str, request: Request) -> str:
    """Return the hash that identifies a job: of the audio's hash (`content`), the owner, the account and every
    parameter sent to the service. It is the same in every release."""
    parameters = {
        "model": request.model,
        "surface": request.surface,
        "media": None,
        "language": request.language,
        "context": request.context,
        "words": request.words,
        "options": {**request.options, "version": request.version} if request.version else request.options,
    }
    return digest(content, owner, service, msgspec.json.encode(parameters, order="deterministic").decode())


def digest(*parts: str) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def kept(request: Request) -> Kept:
    return Kept(
        model=request.model,
        surface=request.surface,
        language=request.language,
        words=request.words,
        media=_bare(request.media),
    )


def _bare(media: Media) -> Media:
    return msgspec.structs.replace(media, path=Path(), audio=None, url=None)


def restored(kept: Kept) -> Request:
    """Return a Request for following a submitted task. It lacks the audio, so it cannot be submitted again."""
    return Request(model=kept.model, surface=kept.surface, language=kept.language, words=kept.words, media=kept.media)
