"""From an upload on disk to its transcript: the only place that knows short, long and streamed apart."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Protocol, assert_never

import msgspec

from compat import catalogue
from compat.audio import fit, probe
from compat.audio.worker import Worker
from compat.dashscope_api import chat, filetrans, generation, generation_audio
from compat.dashscope_api.calls import Call
from compat.settings import Settings
from compat.transcript import Ask, Media, Request, Transcript
from compat.upstream.http import Custodian, Service

SUSPICIOUS = 5.0  # seconds of audio from which an empty transcript is asked for once more


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """One upload, ready for DashScope. `ignored` names the caller's parameters that cannot be honoured."""

    ask: Ask
    request: Request
    ignored: tuple[str, ...]
    key: str


class Stream(Protocol):
    """A translator of an answer in parts: bytes in, increments of the text out, the transcript at the end."""

    def feed(self, chunk: bytes) -> list[str]: ...
    def flush(self) -> list[str]: ...
    def transcript(self) -> Transcript: ...


class Recogniser:
    def __init__(self, settings: Settings, service: Service, worker: Worker) -> None:
        self._settings = settings
        self._service = service
        self._worker = worker

    async def prepare(self, ask: Ask, path: Path, key: str) -> Work:
        """Looks at the audio, chooses the road and makes the audio fit it. Further files stand beside `path`."""
        media = probe.header(path)
        if media is None:
            media = await self._worker.run(probe.measure, path)
        road = catalogue.road(
            ask,
            media,
            region=self._settings.short_region,
            aliases=self._settings.every_alias,
            longest=self._settings.max_duration,
        )
        sent = await self._fitted(media, road) if road.refit else media
        request, ignored = catalogue.request(ask, sent, road)
        return Work(ask=ask, request=request, ignored=ignored, key=key)

    async def _fitted(self, media: Media, road: catalogue.Road) -> Media:
        target = media.path.with_name("fitted")
        return await self._worker.run(fit.fit, media, target, max_bytes=road.limits.size)

    async def transcript(self, work: Work, custodian: Custodian | None = None) -> Transcript:
        """The whole transcript. An empty one for audio of some length is asked for a second time, and one that only
        repeats the context is asked for without it: models are known to do both with poor audio."""
        transcript = await self._once(work.request, work.key, custodian)
        if not transcript.text and work.request.media.duration >= SUSPICIOUS and _at_once(work.request):
            transcript = await self._once(work.request, work.key)
        if repeats(transcript.text, work.request.context):
            transcript = await self._once(msgspec.structs.replace(work.request, context=""), work.key, custodian)
        return _measured(transcript, work)

    async def resumed(self, request: Request, task_id: str, key: str, custodian: Custodian) -> Transcript:
        """The transcript of a task that was submitted before; the audio is not needed for it."""
        flow = filetrans.resume(request, task_id, deadline=self._settings.task_deadline)
        return await self._service.run(flow, key, custodian)

    async def deltas(self, work: Work) -> AsyncGenerator[str | Transcript, None]:
        """Increments of the text as soon as the service gives them; the last thing is the transcript."""
        if not _at_once(work.request):
            yield await self.transcript(work)
            return
        call, stream = _streamed(work.request)
        async with contextlib.aclosing(self._service.stream(call, work.key)) as chunks:
            async for chunk in chunks:
                for text in stream.feed(chunk):
                    yield text
        for text in stream.flush():
            yield text
        yield _measured(stream.transcript(), work)

    async def _once(self, request: Request, key: str, custodian: Custodian | None = None) -> Transcript:
        match request.surface:
            case "chat":
                return chat.transcript(request, await self._service.send(chat.call(request, stream=False), key))
            case "generation":
                reply = await self._service.send(generation.call(request, stream=False), key)
                return generation.transcript(request, reply)
            case "generation-audio":
                reply = await self._service.send(generation_audio.call(request, stream=False), key)
                return generation_audio.transcript(request, reply)
            case "filetrans" | "transcription" | "filetrans-3":
                token = secrets.token_hex(16)
                flow = filetrans.transcribe(
                    request,
                    name=f"{token}{request.media.suffix}",
                    boundary=token,
                    deadline=self._settings.task_deadline,
                )
                return await self._service.run(flow, key, custodian)
            case _:
                assert_never(request.surface)


def repeats(text: str, context: str) -> bool:
    """Whether a transcript says the context and nothing else, in three words or more."""
    said, given = _letters(text), _letters(context)
    return said == given and len(text) >= 12


def once_more(work: Work) -> bool:
    """Whether the audio may be needed again after its task was submitted: to ask without the context."""
    return bool(work.request.context)


def by_task(request: Request) -> bool:
    """Whether the service answers with a task to be followed, so that the request is a job."""
    return request.surface in ("filetrans", "transcription", "filetrans-3")


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def _at_once(request: Request) -> bool:
    return catalogue.LIMITS[request.surface].streams


def _streamed(request: Request) -> tuple[Call, Stream]:
    match request.surface:
        case "generation":
            return generation.call(request, stream=True), generation.Stream(request)
        case "generation-audio":
            return generation_audio.call(request, stream=True), generation_audio.Stream(request)
        case _:
            return chat.call(request, stream=True), chat.Stream(request)


def _measured(transcript: Transcript, work: Work) -> Transcript:
    return msgspec.structs.replace(transcript, duration=work.request.media.duration)
