"""Responses to requests that become jobs: direct, streamed, or in the background (/v1/audio/transcriptions/{id})."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from compat import addresses
from compat.config.settings import Settings
from compat.endpoints import responses
from compat.endpoints.auth import Gate
from compat.endpoints.disconnect import while_connected
from compat.endpoints.streaming import Confirmed, EventStream, SlowJson, kept_alive, pinged
from compat.endpoints.upload import Upload
from compat.errors import BadRequest, NotFound, error
from compat.jobs.manager import JobManager, Order, status
from compat.jobs.records import Job
from compat.jobs.transitions import CANCELLED
from compat.openai_api import jobs as public
from compat.openai_api import sse
from compat.openai_api.parameters import ignored_header
from compat.transcript import Ask, Transcript
from compat.transcription.work import Work

JSON = ("json", "verbose_json", "diarized_json")


def wants_fresh(headers: Headers) -> bool:
    """Return whether the headers ask for a new task instead of a kept result."""
    cache = [part.strip().lower() for part in headers.get("cache-control", "").split(",")]
    return "no-cache" in cache or headers.get("x-compat-reuse", "").strip().lower() == "never"


async def order_for(request: Request, received: Upload, work: Work, files: contextlib.ExitStack) -> Order:
    """Return the order for a job that does `work`. The order takes over `files`."""
    content = await asyncio.to_thread(received.content)
    return Order(work=work, content=work.ask.url or content, fresh=wants_fresh(request.headers), files=files.pop_all())


class JobEndpoints:
    def __init__(self, settings: Settings, gate: Gate, jobs: JobManager) -> None:
        self._settings = settings
        self._gate = gate
        self._jobs = jobs

    def check(self, ask: Ask) -> None:
        """Raise BadRequest for a `webhook_url` that this server would not call."""
        if ask.webhook_url is None:
            return
        if self._settings.webhook_secret is None:
            raise BadRequest(
                "Webhooks are disabled on this server: COMPAT_WEBHOOK_SECRET is not set.", param="webhook_url"
            )
        allowed = self._settings
        addresses.check(
            ask.webhook_url, "webhook_url", http=allowed.allow_http_webhooks, private=allowed.allow_private_webhooks
        )

    async def answer(self, request: Request, order: Order) -> Response:
        ask = order.work.ask
        if ask.background:
            return await self._accepted(request, order)
        if ask.stream:
            parts = _Parts(self._jobs, order)
            return await self._in_parts(request, parts, pinged(parts.frames()), EventStream)
        if self._settings.heartbeat is not None and ask.response_format in JSON:
            parts = _Parts(self._jobs, order)
            body = kept_alive(
                parts.body(responses.groq(request)), every=self._settings.heartbeat, heartbeat=lambda: b" "
            )
            return await self._in_parts(request, parts, body, SlowJson)
        transcript = await while_connected(request.receive, self._jobs.transcript(order))
        return await responses.answer(request, transcript, order.work)

    async def status(self, request: Request) -> Response:
        """Return the result in the requested format, or the job's state if there is no result. Raises NotFound."""
        job, view = await self._find(request)
        if job.transcript is None or view in job.left:
            return self._state(job, view, 202 if job.under_way else 200)
        ask = job.views[view]
        form = await responses.rendered(job.transcript, ask, responses.groq(request))
        transcript = job.transcript
        headers = {"x-compat-road": transcript.surface, **responses.engine(ask)}
        headers |= responses.audio(transcript.promised, transcript.decoded, transcript)
        if ask.ignored:
            headers["x-compat-ignored"] = ignored_header(ask.ignored)
        delivered = functools.partial(self._jobs.delivered, job.id)
        return Confirmed(form.body, media_type=form.content_type, headers=headers, delivered=delivered)

    async def cancel(self, request: Request) -> Response:
        """Cancel a request for a job, or erase it if it has ended. The job ends with the last request for it."""
        job, view = await self._find(request)
        return self._state(await self._jobs.cancel(job, view), view, 200)

    async def _find(self, request: Request) -> tuple[Job, int]:
        principal = self._gate.caller(request, "jobs")
        self._gate.enter(request, principal)
        parsed = public.parse_id(request.path_params["id"])
        if parsed is None:
            raise NotFound("There is no such job.")
        job, view = await self._jobs.find(parsed[0], principal), parsed[1]
        if view >= len(job.views):
            raise NotFound("There is no such job.")
        return job, view

    async def _accepted(self, request: Request, order: Order) -> Response:
        job, view = await self._jobs.place(order)
        request.state.entry.job = job.id
        return self._state(job, view, 202, responses.headers(order.work))

    def _state(self, job: Job, view: int, code: int, headers: dict[str, str] | None = None) -> Response:
        failure, state = job.failure, status(job)
        if view in job.left and state != "expired":
            failure, state, code = CANCELLED, "cancelled", 200
        done, total = self._jobs.progress(job), job.asked.media.duration
        body = public.body(
            public.public_id(job.id, view),
            state,
            created=job.created,
            model=job.views[view].model,
            error=error(failure) if failure is not None else None,
            progress=public.progress(total, done.seconds, done.pieces) if done else public.progress(total),
        )
        return Response(body, code, headers, media_type="application/json")

    async def _in_parts(
        self, request: Request, parts: _Parts, chunks: AsyncGenerator[bytes, None], kind: type[EventStream]
    ) -> Response:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(contextlib.aclosing(chunks))
            first = await while_connected(request.receive, anext(chunks))
            return kind(first, chunks, stack.pop_all(), responses.headers(parts.order.work, parts.transcript))


class _Parts:
    """The parts of a response. `transcript` is set once it exists, which may be after the first part."""

    def __init__(self, jobs: JobManager, order: Order) -> None:
        self._jobs = jobs
        self.order = order
        self.transcript: Transcript | None = None

    async def frames(self) -> AsyncGenerator[bytes, None]:
        for frame in sse.TextDeltas().flush(await self._transcript(), self.order.work.ask):
            yield frame

    async def body(self, groq: str) -> AsyncGenerator[bytes, None]:
        yield (await responses.rendered(await self._transcript(), self.order.work.ask, groq)).body

    async def _transcript(self) -> Transcript:
        self.transcript = await self._jobs.transcript(self.order)
        return self.transcript
