"""What a store keeps of a job: everything that another process needs to go on with it, and no key of any account."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from compat.errors import CompatError
from compat.transcript import Ask, Media, Request, Surface, Transcript

State = Literal["queued", "running", "completed", "failed", "cancelled", "expired"]
UNDER_WAY: tuple[State, ...] = ("queued", "running")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Of a Request what is needed to go on with its task: not the caller's words, nor where the file lay."""

    model: str
    surface: Surface
    language: str | None
    words: bool
    media: Media


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A CompatError by the name of its class."""

    kind: str
    message: str
    param: str | None = None
    code: str | None = None
    retry_after: float | None = None


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
    hashes all three. `views` are the requests that ask for it in the background: one task, several forms of the answer.
    `holder` is the process that works on it, and `due` when somebody has to look at it again: under way, that is when
    its holder must be dead. `awaited`: until when a caller at another process waits for it. `until`: when its answer is
    erased. `version` grows with every change.
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

    @property
    def under_way(self) -> bool:
        return self.state in UNDER_WAY


def encode(job: Job) -> bytes:
    return msgspec.msgpack.encode(job, enc_hook=str)


def decode(record: bytes) -> Job | None:
    """The job, or None when another release of this server wrote it and it cannot be read any more."""
    try:
        return msgspec.msgpack.decode(record, type=Job, dec_hook=lambda kind, value: kind(value))
    except msgspec.MsgspecError:
        return None


def failure(exc: CompatError) -> Failure:
    return Failure(
        kind=type(exc).__name__, message=exc.message, param=exc.param, code=exc.code, retry_after=exc.retry_after
    )


def error(failed: Failure) -> CompatError:
    """The error that `failed` was made of."""
    kind = next((kind for kind in _kinds(CompatError) if kind.__name__ == failed.kind), CompatError)
    return kind(failed.message, param=failed.param, code=failed.code, retry_after=failed.retry_after)


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


def _kinds(base: type[CompatError]) -> Iterator[type[CompatError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _kinds(kind)
