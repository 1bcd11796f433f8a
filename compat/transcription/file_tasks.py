"""File tasks: publishes a file for DashScope, submits a task and follows it to its end.

There are several ways to publish a file; the next one is tried if DashScope cannot fetch the file. A way that failed is
skipped for an hour.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from typing import Literal, Protocol, TypeVar

import stamina

from compat.config import regions
from compat.config.principal import Principal
from compat.config.settings import Settings
from compat.dashscope_api import filetrans
from compat.dashscope_api.calls import Call, Flow, Reply, Submitted, Wait
from compat.errors import BadRequest, BudgetSpent, CompatError, FileNotFetched, RateLimited, TaskLost, TooLarge
from compat.transcript import Media, Request, Surface, Transcript
from compat.transcription.publishing import Bucket, Links
from compat.upstream.fallback import Fallback
from compat.upstream.http import Account, Service

T = TypeVar("T")

log = logging.getLogger("compat")
Delivery = Literal["address", "bucket", "public", "temporary"]
"""How DashScope gets the file: from the client's `url`, a bucket, this server's public address, or by an upload to
DashScope's temporary storage."""
MEMORY = 3600.0  # seconds for which a way that failed is skipped
PATIENCE = 10800.0  # seconds for which a background job waits for the account's rate
LOSSES = 2  # times that a task is submitted again after the local engine has ended
SURFACES: tuple[Surface, ...] = ("filetrans", "transcription", "filetrans-3")


class TaskOwner(Protocol):
    """Owns a submitted task after its request has ended: stores its id, and resumes or cancels it."""

    @property
    def awaited(self) -> bool:
        """Whether a client is waiting for the transcript."""

    async def submitting(self) -> None:
        """Allow the submission of a task. An exception prevents it."""

    async def submitted(self, task_id: str) -> None:
        """Store the id of a task, as soon as it is known."""


async def drive(flow: Flow[T], account: Account, owner: TaskOwner) -> T:
    """Perform the steps of `flow` with one account and return its result. Errors of calls are thrown into the flow.

    While no client waits for the transcript, a call that exceeds the account's rate is repeated for up to PATIENCE
    seconds.
    """
    answer: Reply | CompatError | None = None
    try:
        while True:
            match flow.throw(answer) if isinstance(answer, CompatError) else flow.send(answer):
                case Submitted(task_id):
                    answer, account.submitted = None, True
                    await owner.submitted(account.id(task_id))
                case Wait(seconds):
                    answer = None
                    await asyncio.sleep(seconds)
                case Call() as call:
                    if not call.repeatable:
                        await owner.submitting()
                    answer = await _reply(account, call, owner)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        flow.close()


async def _reply(account: Account, call: Call, owner: TaskOwner) -> Reply | CompatError:
    try:
        async for attempt in stamina.retry_context(
            on=lambda exc: not owner.awaited and _rate(exc, account),
            attempts=None,
            timeout=PATIENCE,
            wait_initial=1.0,
            wait_max=30.0,
        ):
            with attempt:
                return await account.send(call)
    except CompatError as exc:
        return exc
    raise AssertionError("stamina returns or raises")


def _rate(exc: Exception, account: Account) -> bool | float:
    """Return whether to repeat a call that exceeded the account's rate, or the seconds after which to repeat it.

    If another account is tried next, only a wait for this server's own limits makes sense.
    """
    if isinstance(exc, RateLimited) and (account.last or isinstance(exc, BudgetSpent)):
        return exc.retry_after or True
    return False


def _unreadable(settings: Settings) -> tuple[Surface, ...]:
    """Return the surfaces that do not read temporary storage, as `verify` found out."""
    known = settings.observed
    if known is None or (known.policies and known.oss_for_filetrans):
        return ()
    return ("filetrans",) if known.policies else SURFACES


class FileTasks:
    def __init__(
        self,
        settings: Settings,
        service: Service | Fallback,
        links: Links | None,
        bucket: Bucket | None,
        *,
        local: bool = False,
    ) -> None:
        """`local` means that the service is a local engine started by this server. Its tasks are free, and they are
        lost when it ends."""
        self._local = local
        self._deadline = settings.task_deadline
        self._temporary = local or settings.temporary_storage
        self._region = regions.region_id(settings.short_region) if settings.one_region and not local else ""
        self._service = service
        self._links = links
        self._bucket = bucket
        self._refused: dict[tuple[Surface, Delivery], float] = {
            (surface, "temporary"): math.inf for surface in _unreadable(settings) if not local
        }
        self._proven: set[tuple[Surface, Delivery]] = set()

    async def transcript(self, request: Request, principal: Principal, owner: TaskOwner) -> Transcript:
        """Publish the file, run a task and return its transcript.

        Raises FileNotFetched, or TooLarge with the code `upload_too_large`, if every way to publish the file has
        failed. Raises TaskLost if the service does not know the task any more; with a local engine, the task is first
        submitted up to LOSSES times more.
        """
        for _ in range(LOSSES if self._local else 0):
            with contextlib.suppress(TaskLost, FileNotFetched):  # the engine ended after or before the submission
                return await self._transcript(request, principal, owner)
            log.warning("a task was lost with the local engine and is submitted again")
        with self._explaining():
            return await self._transcript(request, principal, owner)

    async def _transcript(self, request: Request, principal: Principal, owner: TaskOwner) -> Transcript:
        self.check(request)
        failure: CompatError | None = None
        for delivery in self._deliveries(request):
            try:
                transcript = await self._transcribed_by(delivery, request, principal, owner)
            except (FileNotFetched, TooLarge) as exc:
                self._note_failure(request, delivery, exc)
                failure = exc
            else:
                self._proven.add((request.surface, delivery))
                return transcript
        assert failure is not None  # noqa: S101 - there is at least one way
        raise failure

    async def resumed(self, request: Request, task_id: str, principal: Principal, owner: TaskOwner) -> Transcript:
        """Return the transcript of a task that was submitted before. The audio is not needed."""
        account, known = self._service.account(task_id, principal)
        with self._explaining():
            return await drive(filetrans.resume(request, known, deadline=self._deadline), account, owner)

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except TaskLost as exc:
            if not self._local:
                raise
            raise TaskLost(
                "The local engine ended while it was transcribing this file, and the task is lost. Send the file "
                "again; the server's log says how the engine ended."
            ) from exc

    def check(self, request: Request) -> None:
        """Raise BadRequest if there is no way to publish the file of a task."""
        if request.surface in SURFACES and not self._deliveries(request):
            raise BadRequest(
                f"{request.model} transcribes files that DashScope fetches, and COMPAT_TEMPORARY_STORAGE=false keeps "
                "them out of its temporary storage. COMPAT_BUCKET or COMPAT_PUBLIC_URL would publish them.",
                param="model",
                code="storage_disabled",
            )

    def closed(self) -> list[Surface]:
        """Return the surfaces for which every way to publish a file has failed lately, or there is none."""
        if not self._refused and self._known():
            return []
        return [
            surface for surface in SURFACES if all(self._failed_lately(surface, delivery) for delivery in self._known())
        ]

    def needs_file(self, request: Request) -> bool:
        """Return whether the file may be needed after its task is submitted: because the service fetches it from this
        server, to publish it in another way, or to submit it again."""
        if request.surface not in SURFACES or request.media.url:
            return False
        delivery = self._deliveries(request)[0]
        return self._local or delivery == "public" or (request.surface, delivery) not in self._proven

    def _known(self) -> list[Delivery]:
        deliveries: list[tuple[Delivery, object]] = [
            ("bucket", self._bucket),
            ("public", self._links),
            ("temporary", self._temporary),
        ]
        return [delivery for delivery, configured in deliveries if configured]

    def _deliveries(self, request: Request) -> list[Delivery]:
        """Return the ways to try, in order. If all have failed lately, the last one is tried again."""
        if request.media.url:
            return ["address"]
        known = self._known()
        return [delivery for delivery in known if not self._failed_lately(request.surface, delivery)] or known[-1:]

    def _failed_lately(self, surface: Surface, delivery: Delivery) -> bool:
        return time.monotonic() < self._refused.get((surface, delivery), 0.0)

    def _note_failure(self, request: Request, delivery: Delivery, exc: CompatError) -> None:
        if isinstance(exc, TooLarge) and exc.code != "upload_too_large":
            raise exc
        if delivery == "address":
            raise BadRequest(f"DashScope could not fetch the audio from url: {exc.message}", param="url") from exc
        fields = {"road": request.surface, "way": delivery, "reason": exc.message}
        log.warning("DashScope could not get the file this way", extra={"fields": fields})
        if isinstance(exc, FileNotFetched) and not self._local:
            self._refused[request.surface, delivery] = time.monotonic() + MEMORY
            self._proven.discard((request.surface, delivery))

    async def _transcribed_by(
        self, delivery: Delivery, request: Request, principal: Principal, owner: TaskOwner
    ) -> Transcript:
        token = secrets.token_hex(16)
        name = f"{token}{request.media.suffix}"
        async with self._published(delivery, request.media) as url:

            async def attempt(account: Account) -> Transcript:
                flow = filetrans.transcribe(
                    request, name=name, boundary=token, url=url, deadline=self._deadline, region=self._region
                )
                return await drive(flow, account, owner)

            if request.bound:
                return await attempt(self._service.account("", principal)[0])
            return await self._service.attempt(attempt, principal)

    @contextlib.asynccontextmanager
    async def _published(self, delivery: Delivery, media: Media) -> AsyncIterator[str | None]:
        """Publish the file and yield its address, or None if the flow uploads it to DashScope's temporary storage."""
        if delivery == "bucket" and self._bucket:
            async with self._bucket.published(media) as url:
                yield url
        elif delivery == "public" and self._links:
            with self._links.published(media) as url:
                yield url
        else:
            yield media.url
