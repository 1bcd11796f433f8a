"""What an answer needs beside its transcript: its form, its headers, its line in the log."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from compat.observability.entry import RequestEntry
from compat.openai_api.parameters import ignored_header
from compat.openai_api.render import Rendered, render
from compat.transcript import Ask, Transcript
from compat.transcription.recogniser import Work

LENGTHY = 50_000  # characters from which an answer is put into its form off the loop: captions of 12 hours cost 0.7 s


@contextlib.contextmanager
def timed(request: Request, stage: Literal["upload", "render"]) -> Iterator[None]:
    """Has the request's log line tell how long this took."""
    started = time.perf_counter()
    try:
        yield
    finally:
        setattr(request.state.entry, f"{stage}_ms", round((time.perf_counter() - started) * 1000, 1))


async def answer(request: Request, transcript: Transcript, work: Work) -> Response:
    with timed(request, "render"):
        form = await rendered(transcript, work.ask, groq(request))
    return Response(form.body, media_type=form.content_type, headers=headers(work, transcript.surface))


async def rendered(transcript: Transcript, ask: Ask, groq: str) -> Rendered:
    if len(transcript.text) > LENGTHY:
        return await asyncio.to_thread(render, transcript, ask, groq)
    return render(transcript, ask, groq)


def groq(request: Request) -> str:
    """The request's id, if it came to Groq's address."""
    return request.state.entry.request_id if request.state.groq else ""


def headers(work: Work, surface: str = "") -> dict[str, str]:
    """`surface`: the road that was taken in the end, where it is known."""
    told = {"x-compat-road": surface or work.request.surface}
    if work.ignored:
        told["x-compat-ignored"] = ignored_header(work.ignored)
    media = work.request.media
    return told | engine(work.ask) | truncated(media.promised, media.duration)


def engine(ask: Ask) -> dict[str, str]:
    """The header that names what answered in DashScope's place: text and captions have no object for it."""
    return {"x-compat-engine": ask.engine} if ask.engine else {}


def truncated(promised: float | None, decoded: float) -> dict[str, str]:
    """The header that says that the audio's own header promises more, where it does; both in seconds."""
    return {} if promised is None else {"x-compat-truncated": f"promised={promised:.3f}, decoded={decoded:.3f}"}


def note(request: Request, work: Work) -> None:
    """What the request's log line says beside its outcome."""
    entry: RequestEntry = request.state.entry
    entry.model = work.request.model
    entry.road = work.request.surface
    entry.format = "stream" if work.ask.stream else work.ask.response_format
    entry.audio_seconds = round(work.request.media.duration, 3)
    entry.audio_bytes = work.request.media.size
