"""What a store keeps of a job: everything that another process needs to go on with it, and no key of any account.

Jobs under way are paid for, so records outlive releases. An older release reads what this one writes: fields are only
added, each with a default, and FORMAT grows when an older release would misunderstand a record. What a job is joined
by (`identity`) and the names of errors never change. tests/jobs holds stores that older releases wrote.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from pathlib import Path
from typing import Literal

import msgspec

from compat.errors import Failure, ServiceUnavailable
from compat.transcript import Ask, Media, Request, Surface, Transcript

State = Literal["queued", "running", "completed", "failed", "cancelled", "expired"]
log = logging.getLogger("compat.jobs")
FORMAT = 1
UNDER_WAY: tuple[State, ...] = ("queued", "running")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Of a Request what is needed to go on with its task: not the caller's words, nor where the file lay."""

    model: str
    surface: Surface
    language: str | None
    words: bool
    media: Media


class Hook(msgspec.Struct, frozen=True):
    """An address to be called when the job has ended, about one of its views. It was called in vain `tries` times so
    far and is to be called again `at` some time."""

    url: str
    view: int
    tries: int = 0
    at: float = 0.0


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Times are seconds since the epoch, by the clocks of the processes that share the store.

    `key` says what makes two requests the same, `owner` whose job it is, `service` at which account of which service:
    hashes all three. `views` are the requests that ask for it in the background: one task, several forms of the answer;
    `left` are the indices of those that were cancelled meanwhile.
    `holder` is the process that works on it, and `due` when somebody has to look at it again: under way, that is when
    its holder must be dead. `awaited`: until when a caller at another process waits for it. `until`: when its answer is
    erased. `version` grows with every change. `format`: see FORMAT.
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

    @property
    def wanted(self) -> bool:
        """Whether a request in the background still asks for it."""
        return len(self.left) < len(self.views)

    @property
    def under_way(self) -> bool:
        return self.state in UNDER_WAY


def encode(job: Job) -> bytes:
    return msgspec.msgpack.encode(job, enc_hook=str)


class UnreadableRecord(ServiceUnavailable):
    """A record of a newer release, or a damaged one. It is not known what its job is about, nor whether it is done."""

    default_code = "job_unreadable"


def decode(record: bytes, job_id: str) -> Job:
    """Raises UnreadableRecord, and logs it."""
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
    """Once for each job, which is looked at again and again."""
    log.error("a job's record cannot be read", extra={"fields": {"job": job_id}})


def identity(content: str, owner: str, service: str, request: Request) -> str:
    """What two requests have in common that ask for the same job: the hash of the audio's hash, the owner, the account
    and all that the service is asked. It is the same in every release."""
    asked = {
        "model": request.model,
        "surface": request.surface,
        "media": None,
        "language": request.language,
        "context": request.context,
        "words": request.words,
        "options": request.options,
    }
    return digest(content, owner, service, msgspec.json.encode(asked, order="deterministic").decode())


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
    return msgspec.structs.replace(media, path=Path(), url=None)


def restored(kept: Kept) -> Request:
    """A request that a submitted task can be followed with; it cannot be submitted again."""
    return Request(model=kept.model, surface=kept.surface, language=kept.language, words=kept.words, media=kept.media)
