"""POST /v1/audio/transcriptions.

The uploaded file is removed when the request ends, also after an error or a disconnect. A job removes its file when it
no longer needs it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from compat.endpoints import responses
from compat.endpoints.disconnect import while_connected
from compat.endpoints.jobs import JobEndpoints, order_for
from compat.endpoints.preparation import Preparation
from compat.endpoints.streaming import EventStream, pinged
from compat.observability.entry import RequestEntry
from compat.openai_api import form, sse
from compat.openai_api.jobs import Progress, progress
from compat.transcript import Transcript
from compat.transcription.recogniser import Recogniser, is_job
from compat.transcription.work import Work


class Meter:
    """The progress of a stream of `total` seconds."""

    def __init__(self, total: float) -> None:
        self._total = total
        self._done: tuple[float, int] | tuple[()] = ()

    def advanced(self, seconds: float, pieces: int) -> None:
        self._done = seconds, pieces

    def progress(self) -> Progress:
        return progress(self._total, *self._done)


class Transcriptions:
    def __init__(self, preparation: Preparation, recogniser: Recogniser, long: JobEndpoints) -> None:
        self._preparation = preparation
        self._recogniser = recogniser
        self._long = long

    async def create(self, request: Request) -> Response:
        """Return a transcript, a stream of its deltas, or a background job. Raises CompatError."""
        async with contextlib.AsyncExitStack() as stack:
            files = stack.enter_context(contextlib.ExitStack())
            received = await self._preparation.receive(request, files, form.ask)
            if received.ask.background:
                received.principal.check("jobs")
            self._long.check(received.ask)
            work = await self._preparation.prepare(request, received)
            if is_job(work):
                order = await order_for(request, received.form, work, files)
                return await self._long.answer(request, order)
            work = await self._preparation.charged(work, stack)
            if work.ask.stream:
                meter = Meter(work.request.media.duration)
                frames = pinged(self._frames(work, request.state.entry, meter), meter.progress)
                await stack.enter_async_context(contextlib.aclosing(frames))
                first = await while_connected(request.receive, anext(frames))
                return EventStream(first, frames, stack.pop_all(), responses.headers(work))
            transcript = await while_connected(request.receive, self._recogniser.transcript(work))
        return await responses.answer(request, transcript, work)

    async def _frames(self, work: Work, entry: RequestEntry, meter: Meter) -> AsyncGenerator[bytes, None]:
        """Yield server-sent events, and record the times of the first delta and of the transcript in `entry`."""
        frames, started = sse.TextDeltas(), time.perf_counter()
        async with contextlib.aclosing(self._recogniser.deltas(work, meter.advanced)) as deltas:
            async for delta in deltas:
                elapsed_ms = round((time.perf_counter() - started) * 1000, 1)
                if entry.first_delta_ms is UNSET:
                    entry.first_delta_ms = elapsed_ms
                if isinstance(delta, Transcript):
                    entry.final_ms = elapsed_ms
                for frame in frames.flush(delta, work.ask) if isinstance(delta, Transcript) else frames.feed(delta):
                    yield frame
