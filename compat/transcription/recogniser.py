"""Recognition: turns an upload into a transcript, by the road that suits its length and parameters."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from compat import echo, languages
from compat.audio import fit, probe, speechless
from compat.audio.sizes import largest
from compat.audio.worker import Worker, WorkerQueue
from compat.catalogue import presets, roads
from compat.config.principal import Party, Principal
from compat.config.settings import Settings
from compat.dashscope_api import chat, generation, generation_audio
from compat.dashscope_api.calls import Call, Reply
from compat.dashscope_api.results import sentences
from compat.echo import Echo
from compat.errors import AnswerCutOff, BadAudio, CompatError, FileNotFetched, ServiceUnavailable, TooLarge
from compat.transcript import Ask, Media, Request, Surface, Transcript
from compat.transcription.file_tasks import SURFACES, FileTasks, TaskOwner
from compat.transcription.pieces import Advanced, Pieces, ignore_progress
from compat.transcription.publishing import Bucket, Links
from compat.transcription.spool import FITTED, Reserve, on_disk, unbounded, write
from compat.transcription.vocabularies import Vocabularies
from compat.transcription.work import Work
from compat.upstream.fallback import Fallback
from compat.upstream.http import Service
from compat.upstream.slots import Slots

log = logging.getLogger("compat")
LARGE, LONG = 8 << 20, 900.0  # bytes, seconds; reading a file beyond either takes more than a second or two
SUSPICIOUS = 5.0  # seconds of audio from which an empty transcript is requested again


class HeldText:
    """Holds back streamed text while it may still turn out to be an echo of the context."""

    def __init__(self, context: str) -> None:
        self.text = ""
        self._echo = Echo(context)
        self._released = not context

    def feed(self, texts: Iterable[str]) -> Iterator[str]:
        for text in texts:
            self.text += text
            if self._released or not self._echo.so_far(self.text):
                self._released = True
                text, self.text = self.text, ""
                yield text


class TextStream(Protocol):
    """Parses a streamed response: takes bytes, returns increments of the text, and finally the transcript."""

    def feed(self, chunk: bytes) -> list[str]: ...
    def flush(self) -> list[str]: ...
    def transcript(self) -> Transcript: ...


class SyncDialect(Protocol):
    """Builds the calls of a synchronous surface and parses its responses, complete or streamed."""

    def call(self, request: Request, *, stream: bool) -> Call: ...
    def transcript(self, request: Request, reply: Reply) -> Transcript: ...
    def stream(self, request: Request) -> TextStream: ...


DIALECTS: dict[Surface, SyncDialect] = {"chat": chat, "generation": generation, "generation-audio": generation_audio}


class Recogniser:
    def __init__(
        self,
        settings: Settings,
        service: Service | Fallback,
        worker: Worker,
        links: Links | None = None,
        bucket: Bucket | None = None,
        engine: str = "",
        on_transcript: Callable[[Principal, Transcript], object] = lambda *_: None,
        vocabularies: Vocabularies | None = None,
        pieces: Slots | None = None,
    ) -> None:
        """`links` and `bucket` publish files for DashScope, if they are configured. `engine` names the local engine
        that is used instead of DashScope. `on_transcript` is called with each answer of the service. Without
        `vocabularies`, stored vocabularies are not checked before they are used. `pieces` are the slots of pieces of
        long audio."""
        self._on_transcript = on_transcript
        self._engine = engine
        self._settings = settings
        self._service = service
        self._worker = worker
        self._vocabularies = vocabularies
        self._tasks = FileTasks(settings, service, links, bucket, local=bool(engine))
        longest, at_once = settings.piece_seconds, settings.pieces_at_once
        self._pieces = Pieces(worker, self._checked, longest=longest, at_once=at_once, slots=pieces)

    async def prepare(
        self, ask: Ask, path: Path, principal: Principal, reserve: Reserve = unbounded, audio: memoryview | None = None
    ) -> Work:
        """Probe the audio at `path`, or in memory as `audio`, choose the road and re-encode the audio to fit it.

        Audio in memory that is not sent unchanged in one request is written to `path`. Background jobs re-encode later,
        because it takes minutes for hours of audio. Other files are created next to `path`; `reserve` counts them.
        Raises DiskFull, and BudgetSpent if too many files of the caller are being read already.
        """
        ask = presets.applied(ask, self._settings.every_alias)
        ask = ask.answered_by(self._engine) if self._engine else ask
        media = remote(ask.url) if ask.url else await self._probed(path, audio, principal.party)
        road = roads.road(
            ask,
            media,
            region=self._settings.short_region,
            aliases=self._settings.every_alias,
            longest=self._settings.max_duration,
            long_road=self._settings.long_road,
            closed=self._tasks.closed(),
            family=self._settings.model_family,
        )
        request, ignored = roads.request(ask, media, road)
        self._tasks.check(request)
        vocabulary = request.options.get("vocabulary_id")
        if self._vocabularies and isinstance(vocabulary, str):
            found = await self._vocabularies.check(vocabulary, request.model, principal)
            request = msgspec.structs.replace(request, version=str(found.modified or ""))
        if self._engine:  # which has no stored hot words, and on this machine no others
            lost = ("vocabulary", "vocabulary_id") if self._engine in languages.ENGINES else ("vocabulary_id",)
            ignored += tuple(name for name in lost if name in request.options)
        if road.refit or roads.unmixed(request) or ask.background or request.surface not in DIALECTS:
            request = msgspec.structs.replace(request, media=await on_disk(media))
        refit = road.refit or (roads.unmixed(request) and await self._cancels(request.media, principal.party))
        size = road.limits.size if refit else None
        ask = msgspec.structs.replace(ask, prompt=request.context, keywords=())  # usage counts what is sent
        work = Work(ask=ask, request=request, ignored=ignored, principal=principal, fit=size, reserve=reserve)
        return work if ask.background else await self._fitted(work, self._settings.queue_wait)

    async def _probed(self, path: Path, audio: memoryview | None, party: Party) -> Media:
        media = probe.header(path, audio)
        if media is not None:
            return msgspec.structs.replace(media, audio=audio) if audio else media
        if audio:
            await write(path, audio)
        queue = WorkerQueue(party, _large(path), self._settings.queue_wait)
        return await self._worker.run(queue, probe.measure, path)

    async def _cancels(self, media: Media, party: Party) -> bool:
        """Return whether the channels cancel each other out. They are then mixed here, because the service might mix
        them to silence."""
        return await self._worker.run(WorkerQueue(party, patience=self._settings.queue_wait), fit.cancels, media.path)

    async def _fitted(self, work: Work, patience: float | None = None) -> Work:
        """Re-encode the audio if necessary. Without `patience` in seconds, the wait for a worker has no timeout."""
        if work.fit is None:
            return work
        media, channels = work.request.media, roads.kept_channels(work.request)
        most = largest(media.duration, work.fit, channels)
        work.reserve(file=most)
        queue = WorkerQueue(work.principal.party, media.size > LARGE or media.duration > LONG, patience)
        target = media.path.with_suffix(FITTED)
        sent = await self._worker.run(queue, fit.fit, media, target, max_bytes=work.fit, channels=channels)
        work.reserve(file=sent.size - most)
        return msgspec.structs.replace(work, request=msgspec.structs.replace(work.request, media=sent), fit=None)

    async def transcript(
        self, work: Work, owner: TaskOwner | None = None, advanced: Advanced = ignore_progress
    ) -> Transcript:
        """Return the complete transcript. If DashScope cannot fetch the file for a task, it is transcribed in pieces.

        A file task needs an `owner`. On the road `pieces`, `advanced` is called with the progress. Raises any
        CompatError.
        """
        work = await self._fitted(work)
        if work.request.surface == "pieces":
            return await self._in_pieces(work, advanced)
        try:
            return self._finished(await self._checked(work.request, work.principal, owner), work.request)
        except (FileNotFetched, TooLarge) as exc:
            other = self._pieces_instead(work, exc)
            if other is None:
                raise
            log.warning("long audio is sent in pieces instead", extra={"fields": {"road": work.request.surface}})
            return await self._in_pieces(other, advanced)

    def _pieces_instead(self, work: Work, exc: CompatError) -> Work | None:
        """Return the work in pieces that replaces a file task, or None if nothing does.

        Raises ServiceUnavailable if the file is already deleted. When the client sends it again, it is transcribed in
        pieces, because every way to publish a file for the surface has failed by then.
        """
        unsent = isinstance(exc, FileNotFetched) or exc.code == "upload_too_large"
        if not unsent or work.request.media.url or self._settings.long_road == "filetrans":
            return None
        other = roads.instead(work.request)
        if other is None:
            return None
        if not work.request.media.path.exists():
            raise ServiceUnavailable(f"{exc.message} Send the same request again.", retry_after=1.0) from exc
        return msgspec.structs.replace(work, request=other)

    async def _in_pieces(self, work: Work, advanced: Advanced) -> Transcript:
        return self._finished(await self._pieces.transcript(work, advanced), work.request)

    async def _checked(self, request: Request, principal: Principal, owner: TaskOwner | None = None) -> Transcript:
        """Return the transcript without echoes. Repeat the request if longer audio has an empty transcript: models are
        known to return that for poor audio."""
        transcript = await self._request(request, principal, owner)
        if not transcript.text and request.media.duration >= SUSPICIOUS and _streams(request):
            transcript = await self._request(request, principal)
        return await self._unechoed(transcript, request, principal, owner)

    async def _unechoed(
        self, transcript: Transcript, request: Request, principal: Principal, owner: TaskOwner | None = None
    ) -> Transcript:
        """Remove echoes of the context, which models are known to return for silence and noise.

        A text that consists of the context alone is kept if it is short and the audio may contain speech, or if a
        second request without the context returns a similar text.
        """
        text, queue = transcript.text, WorkerQueue(principal.party)
        if not Echo(request.context).only(text):
            return await self._silenced(transcript, request, queue)
        media = await on_disk(request.media)
        sound = "lively" if media.url else await self._worker.run(queue, speechless.of_file, media.path)
        if sound == "silent":
            return msgspec.structs.replace(transcript, text="", segments=())
        if not (sound == "lively" and echo.brief(text) and echo.speakable(text, request.media.duration or SUSPICIOUS)):
            second = await self._request(msgspec.structs.replace(request, context=""), principal, owner)
            if not echo.similar(text, second.text):
                return second
        return await self._silenced(transcript, request, queue) if sound == "lively" else transcript

    async def _silenced(self, transcript: Transcript, request: Request, queue: WorkerQueue) -> Transcript:
        """Remove segments that echo the context if their audio is silence or noise. They stay if the audio is not
        available."""
        if len(transcript.segments) < 2:
            return transcript
        suspects = await asyncio.to_thread(lambda: list(Echo(request.context).suspects(transcript.segments)))
        if not suspects:
            return transcript
        media = await on_disk(request.media)
        if not media.path.is_file():
            return transcript
        spans = [speechless.TimeSpan(start, end, segment.channel) for segment, start, end in suspects]
        try:
            kinds = await self._worker.run(queue, speechless.of_spans, media.path, spans)
        except BadAudio:
            return transcript
        dropped = {
            segment
            for (segment, start, end), kind in zip(suspects, kinds, strict=True)
            if kind != "lively" or not echo.speakable(segment.text, end - start)
        }
        return echo.without(transcript, dropped) if dropped else transcript

    async def resumed(self, request: Request, task_id: str, principal: Principal, owner: TaskOwner) -> Transcript:
        """Return the transcript of a task that was submitted before. The audio is not needed."""
        with self._metered(request, principal) as (metered, used):
            if metered.meter:
                metered.meter.sent = True
            transcript = used(await self._tasks.resumed(request, task_id, metered, owner))
        return self._finished(transcript, request)

    def needs_audio_again(self, work: Work) -> bool:
        """Return whether the audio may be needed again after its task was submitted: to repeat the request without the
        context, or to publish the file in another way."""
        return bool(work.request.context) or self._tasks.needs_file(work.request)

    async def deltas(self, work: Work, advanced: Advanced = ignore_progress) -> AsyncGenerator[str | Transcript, None]:
        """Yield increments of the text as the service sends them, and finally the transcript. On the road `pieces`,
        `advanced` is called with the progress."""
        if not _streams(work.request):
            yield await self.transcript(work)
            return
        if work.request.surface == "pieces":
            async with contextlib.aclosing(self._pieces.deltas(work, advanced)) as parts:
                async for part in parts:
                    yield self._finished(part, work.request) if isinstance(part, Transcript) else part
            return
        dialect = DIALECTS[work.request.surface]
        call, stream = dialect.call(work.request, stream=True), dialect.stream(work.request)
        held, given = HeldText(work.request.context), False
        try:
            with self._metered(work.request, work.principal) as (principal, used):
                async with contextlib.aclosing(self._service.stream(call, principal)) as chunks:
                    async for chunk in chunks:
                        for text in held.feed(stream.feed(chunk)):
                            given = True
                            yield text
                rest = stream.flush()
                transcript = used(stream.transcript())
        except AnswerCutOff:
            if given:
                raise
            yield await self.transcript(work)  # no text has been sent to the client yet
            return
        for text in held.feed(rest):
            yield text
        if held.text:  # no text has been sent to the client yet
            transcript = await self._unechoed(transcript, work.request, work.principal)
        yield self._finished(transcript, work.request)

    async def _request(self, request: Request, principal: Principal, owner: TaskOwner | None = None) -> Transcript:
        with self._metered(request, principal) as (metered, used):
            if request.surface in SURFACES:
                assert owner is not None  # noqa: S101 - see `is_job`
                return used(await self._tasks.transcript(request, metered, owner))
            dialect = DIALECTS[request.surface]
            reply = await self._service.send(dialect.call(request, stream=False), metered)
            return used(dialect.transcript(request, reply))

    @contextlib.contextmanager
    def _metered(
        self, request: Request, principal: Principal
    ) -> Iterator[tuple[Principal, Callable[[Transcript], Transcript]]]:
        """Yield the client with the meter of one request to the service, and a function that counts its answer."""
        meter = principal.meter
        with meter.call(roads.counted_seconds(request) or math.inf) if meter else contextlib.nullcontext() as call:

            def used(transcript: Transcript) -> Transcript:
                counted = transcript
                if transcript.usage.seconds is None and request.media.duration:
                    counted = msgspec.structs.replace(transcript, duration=request.media.duration)
                self._on_transcript(principal, counted)
                if call is not None:
                    call.used = counted.duration if counted.usage.seconds is None else counted.usage.seconds
                return transcript

            yield (principal.metered(call) if call else principal), used

    def _finished(self, transcript: Transcript, request: Request) -> Transcript:
        """Join the fragments of sentences, set the duration, and log a text that the service did not finish.

        Echoes must be removed before, because a single fragment can be an echo. The duration is the measured one, or
        the service's for audio at a `url`. It is extended to the last segment or word, because the service rounds their
        ends up.
        """
        if transcript.finish_reason:
            log.warning(
                "DashScope did not finish the text",
                extra={
                    "fields": {"finish_reason": transcript.finish_reason, "service_request_id": transcript.request_id}
                },
            )
        segments = transcript.segments
        if request.words and request.surface in SURFACES:
            segments = tuple(sentences(segments))
        ends = [end for segment in segments for end in (segment.end, *(word.end for word in segment.words))]
        duration = request.media.duration or transcript.usage.seconds or 0.0
        media = request.media
        return msgspec.structs.replace(
            transcript,
            segments=segments,
            duration=max([duration, *ends]),
            promised=media.promised,
            lost=media.lost,
        )


def _large(path: Path) -> bool:
    return path.stat().st_size > LARGE


def is_job(work: Work) -> bool:
    """Return whether the work is a job, which identical requests join: it takes long and is not streamed."""
    pieces = work.request.surface == "pieces" and not work.ask.stream
    return work.ask.background or pieces or work.request.surface in SURFACES


def _streams(request: Request) -> bool:
    return roads.LIMITS[request.surface].streams


def remote(url: str) -> Media:
    """Return a Media for audio at a client's address, about which nothing else is known."""
    return Media(
        path=Path(os.devnull), size=0, container="", mime="", suffix="", duration=0.0, rate=0, channels=0, url=url
    )
