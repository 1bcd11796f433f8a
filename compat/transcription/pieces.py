"""Long audio in pieces: cuts a file at pauses, transcribes the pieces like short audio and joins the transcripts.

A server transcribes at most `at_once` pieces at a time. Pieces of several files take turns, and short files do not
wait for pieces.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

import msgspec
import stamina

from compat.audio.pieces import Piece, split
from compat.audio.sizes import largest
from compat.audio.worker import Worker
from compat.catalogue import roads
from compat.config.principal import Principal
from compat.dashscope_api import results
from compat.errors import Overloaded, RateLimited
from compat.openai_api.phrases import phrases
from compat.text import begun, space
from compat.text import joined as joined_texts
from compat.transcript import Request, Segment, Transcript, Usage
from compat.transcription.spool import PIECES, Reserve
from compat.transcription.work import Work
from compat.upstream.shares import Shares
from compat.upstream.slots import Slots

PATIENCE = 600.0  # seconds for which a piece is retried while the account's rate is used up
FINE = 30.0  # longest piece in seconds if timestamps are wanted that follow from the cuts

Transcribe = Callable[[Request, Principal], Awaitable[Transcript]]
Advanced = Callable[[float, int], object]
"""Called with the seconds of audio transcribed so far, and the number of pieces."""


def ignore_progress(_seconds: float, _pieces: int) -> None:
    """Ignore the progress."""


class Pieces:
    """`transcribe` transcribes one piece. `longest` is the length of a piece in seconds, `slots` are those of the
    pieces under way, `at_once` of them for one file."""

    def __init__(
        self, worker: Worker, transcribe: Transcribe, *, longest: float, at_once: int, slots: Slots | None = None
    ) -> None:
        self._worker = worker
        self._transcribe = transcribe
        self._longest = longest
        self._at_once = at_once
        self._slots = slots or Slots(Shares(at_once))

    async def transcript(self, work: Work, advanced: Advanced = ignore_progress) -> Transcript:
        """Return the transcript of the whole file. Raises as `parts` does."""
        async with contextlib.aclosing(self.parts(work, advanced)) as parts:
            return joined([part async for part in parts], work.request)

    async def deltas(self, work: Work, advanced: Advanced = ignore_progress) -> AsyncGenerator[str | Transcript, None]:
        """Yield the text of each piece, in order, and finally the transcript."""
        done: list[Transcript] = []
        before = ""
        async with contextlib.aclosing(self.parts(work, advanced)) as parts:
            async for part in parts:
                done.append(part)
                if part.text:
                    yield space(before, part.text) + part.text
                    before = part.text
        yield joined(done, work.request)

    async def parts(self, work: Work, advanced: Advanced) -> AsyncGenerator[Transcript, None]:
        """Yield the transcripts of the pieces in order, and call `advanced` as each is finished, in any order.

        The segments of a transcript are those of the service. If it gives no times, there is one from cut to cut, or if
        the client wants times, one for each phrase between two pauses. Files are cut only as fast as pieces are
        transcribed, so pieces do not fill the disk. Raises Overloaded if there is no room for the next piece and none
        is under way.
        """
        waiting: deque[asyncio.Task[Transcript]] = deque()
        tally = _Tally(advanced)
        phrased = work.ask.wants_times and not roads.timed(work.request)
        longest = min(self._longest, FINE) if phrased else self._longest
        most = largest(longest, sys.maxsize)
        try:
            async with contextlib.aclosing(self._cut(work, longest, phrased)) as pieces:
                while True:
                    while not _room(work.reserve, most, needed=not waiting):
                        yield await waiting.popleft()
                    piece = await anext(pieces, None)
                    work.reserve(file=(piece.media.size if piece else 0) - most)
                    if piece is None:
                        break
                    waiting.append(asyncio.create_task(self._piece(work, piece, tally)))
                    while waiting and (waiting[0].done() or len(waiting) >= self._at_once):
                        yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _cut(self, work: Work, longest: float, phrased: bool) -> AsyncGenerator[Piece, None]:
        path = work.request.media.path
        folder = path.with_suffix(PIECES)
        await asyncio.to_thread(folder.mkdir, exist_ok=True)
        async with contextlib.aclosing(
            self._worker.iterate(work.principal.party, split, path, folder, longest=longest, voiced=phrased)
        ) as parts:
            async for part in parts:
                yield part

    async def _piece(self, work: Work, piece: Piece, tally: _Tally) -> Transcript:
        media = piece.media
        try:
            async with self._slots.taken(work.principal.party):
                transcript = await self._patient(roads.piece(work.request, media), work.principal)
        finally:
            media.path.unlink(missing_ok=True)
            work.reserve(file=-media.size)
        tally.add(media.duration)
        text = begun(transcript.text.strip())
        if transcript.segments:
            first, *others = [later(segment, piece.start) for segment in transcript.segments]
            first = msgspec.structs.replace(first, text=begun(first.text))
            return msgspec.structs.replace(transcript, text=text, segments=(first, *others))
        spans = piece.voiced or ((piece.start, piece.start + media.duration),)
        # In a thread, because it takes 10 ms of CPU time for 30 s of speech.
        spoken = await asyncio.to_thread(phrases, text, spans) if text else []
        segments = tuple(
            Segment(
                text=phrase.text.strip(),
                start=phrase.start,
                end=phrase.end,
                language=transcript.language,
                emotion=transcript.emotion,
            )
            for phrase in spoken
        )
        return msgspec.structs.replace(transcript, text=text, segments=segments)

    async def _patient(self, request: Request, principal: Principal) -> Transcript:
        """Transcribe a piece, retrying while the rate is used up. It keeps its slot meanwhile, so that fewer pieces
        are tried then."""
        async for attempt in stamina.retry_context(
            on=_rate, attempts=None, timeout=PATIENCE, wait_initial=2.0, wait_max=30.0
        ):
            with attempt:
                return await self._transcribe(request, principal)
        raise AssertionError("stamina returns or raises")


class _Tally:
    """Adds up finished pieces."""

    def __init__(self, advanced: Advanced) -> None:
        self._advanced = advanced
        self._seconds, self._pieces = 0.0, 0
        advanced(self._seconds, self._pieces)

    def add(self, seconds: float) -> None:
        self._seconds += seconds
        self._pieces += 1
        self._advanced(self._seconds, self._pieces)


def later(segment: Segment, seconds: float) -> Segment:
    """Return the segment of a piece with its times in the whole audio."""
    words = tuple(
        msgspec.structs.replace(word, start=word.start + seconds, end=word.end + seconds) for word in segment.words
    )
    return msgspec.structs.replace(segment, start=segment.start + seconds, end=segment.end + seconds, words=words)


def _room(reserve: Reserve, size: int, *, needed: bool) -> bool:
    """Take room for `size` bytes and return whether there was any. Raises Overloaded if not and it is `needed`."""
    try:
        reserve(file=size)
    except Overloaded:
        if needed:
            raise
        return False
    return True


def _rate(exc: Exception) -> bool | float:
    return isinstance(exc, RateLimited) and (exc.retry_after or True)


def joined(parts: Iterable[Transcript], request: Request) -> Transcript:
    """Return the transcript of a file from those of its pieces."""
    parts = list(parts)
    segments = tuple(segment for part in parts for segment in part.segments)
    return Transcript(
        text=joined_texts(part.text for part in parts),
        segments=segments,
        language=results.prevailing(segments, "language") or request.language,
        emotion=results.prevailing(segments, "emotion"),
        duration=request.media.duration,
        finish_reason=next((part.finish_reason for part in parts if part.finish_reason), None),
        usage=_sum([part.usage for part in parts]),
        model=request.model,
        surface=request.surface,
        request_id=next((part.request_id for part in parts if part.request_id), None),
    )


def _sum(usages: list[Usage]) -> Usage:
    """Add up the usage of all pieces. A figure that one piece lacks is None in the sum."""
    sums: dict[str, float | int | None] = {}
    for name in Usage.__struct_fields__:
        figures = [getattr(usage, name) for usage in usages]
        sums[name] = None if None in figures or not figures else sum(figures)
    return msgspec.convert(sums, Usage)
