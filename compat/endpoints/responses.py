"""Responses from transcripts: rendering, headers, and fields of the access log."""

from __future__ import annotations

import asyncio
import time
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from compat.observability.entry import RequestEntry
from compat.openai_api.parameters import ignored_header
from compat.openai_api.render import Rendered, render
from compat.transcript import Ask, Transcript
from compat.transcription.work import Work

# Characters from which a transcript is rendered in a thread: captions of an hour of Chinese take 0.2 s.
LENGTHY = 2_500


class Timed:
    """Records in the access log how long a block took, in milliseconds."""

    def __init__(self, request: Request, stage: Literal["upload", "render"]) -> None:
        self._entry: RequestEntry = request.state.entry
        self._field = f"{stage}_ms"

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        setattr(self._entry, self._field, round((time.perf_counter() - self._started) * 1000, 1))


async def answer(request: Request, transcript: Transcript, work: Work) -> Response:
    """Return the response to a request whose work is done."""
    with Timed(request, "render"):
        form = await rendered(transcript, work.ask, groq(request))
    return Response(form.body, media_type=form.content_type, headers=headers(work, transcript))


async def rendered(transcript: Transcript, ask: Ask, groq: str) -> Rendered:
    """Return the transcript in the requested format. `groq` is the id for `x_groq`, or ""."""
    if len(transcript.text) > LENGTHY:
        return await asyncio.to_thread(render, transcript, ask, groq)
    return render(transcript, ask, groq)


def groq(request: Request) -> str:
    """Return the request's id if its path has Groq's prefix, else an empty string."""
    return request.state.entry.request_id if request.state.groq else ""


def headers(work: Work, transcript: Transcript | None = None) -> dict[str, str]:
    """Return the response headers. Without a transcript, the planned road is named."""
    fields = {"x-compat-road": transcript.surface if transcript else work.request.surface}
    if work.ignored:
        fields["x-compat-ignored"] = ignored_header(work.ignored)
    media = work.request.media
    return fields | engine(work.ask) | audio(media.promised, media.decoded, transcript)


def engine(ask: Ask) -> dict[str, str]:
    """Return the header that names a local engine, because plain text and captions cannot."""
    return {"x-compat-engine": ask.engine} if ask.engine else {}


def audio(promised: float | None, decoded: float, transcript: Transcript | None) -> dict[str, str]:
    """Return the headers for the length of the audio, for a file that decodes to less than its own header promises, in
    seconds, and for a text that the service did not finish."""
    decoded = decoded or (transcript.decoded if transcript else 0.0)  # of a file at a URL
    fields = {"x-compat-audio-seconds": f"{decoded:.3f}"} if decoded else {}
    parts = [] if promised is None else [f"promised={promised:.3f}", f"decoded={decoded:.3f}"]
    if transcript and transcript.finish_reason:
        parts.append(f"finish_reason={transcript.finish_reason}")
    return fields | ({"x-compat-truncated": ", ".join(parts)} if parts else {})


def note(request: Request, work: Work) -> None:
    """Add the model, road, format and audio size to the access log entry."""
    entry: RequestEntry = request.state.entry
    entry.model = work.request.model
    entry.road = work.request.surface
    entry.format = "stream" if work.ask.stream else work.ask.response_format
    entry.audio_seconds = round(work.request.media.duration, 3)
    entry.audio_bytes = work.request.media.size
