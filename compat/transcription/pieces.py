"""Long audio in pieces: cut where nobody speaks, each transcribed as short audio is, joined in order.

So many pieces at a time are under way in this process, whichever files they are of: those of several files take turns,
and short requests stand in no queue with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

import msgspec
import stamina

from compat.audio.fit import largest
from compat.audio.pieces import Piece, split
from compat.audio.worker import Worker
from compat.catalogue import roads
from compat.dashscope_api import results
from compat.errors import Overloaded, RateLimited
from compat.openai_api.phrases import phrases
from compat.text import begun, space
from compat.text import joined as joined_texts
from compat.transcript import Media, Request, Segment, Transcript, Usage
from compat.transcription.spool import PIECES, Hold, unbounded
from compat.upstream.shares import ON_BEHALF
from compat.upstream.slots import Slots

PATIENCE = 600.0  # seconds that a piece goes on asking when the account's rate is used up
FINE = 30.0  # seconds of a piece where times are wanted, which are those of the cuts

Hear = Callable[[Request, str], Awaitable[Transcript]]


class Pieces:
    """`hear` transcribes what is short. `longest` in seconds; `at_once` bounds this process."""

    def __init__(self, worker: Worker, hear: Hear, *, longest: float, at_once: int) -> None:
        self._worker = worker
        self._hear = hear
        self._longest = longest
        self._at_once = at_once
        self._slots = Slots(at_once)

    async def transcript(self, request: Request, key: str, *, times: bool, hold: Hold = unbounded) -> Transcript:
        async with contextlib.aclosing(self.heard(request, key, times=times, hold=hold)) as heard:
            return joined([part async for part in heard], request)

    async def deltas(
        self, request: Request, key: str, *, times: bool, hold: Hold = unbounded
    ) -> AsyncGenerator[str | Transcript, None]:
        """Each piece's text as soon as all before it are told; the last thing is the transcript."""
        parts: list[Transcript] = []
        before = ""
        async with contextlib.aclosing(self.heard(request, key, times=times, hold=hold)) as heard:
            async for part in heard:
                parts.append(part)
                if part.text:
                    yield space(before, part.text) + part.text
                    before = part.text
        yield joined(parts, request)

    async def heard(
        self, request: Request, key: str, *, times: bool, hold: Hold = unbounded
    ) -> AsyncGenerator[Transcript, None]:
        """The pieces' transcripts in order, the text of each one segment between the true cuts, or where `times` are
        wanted one for each phrase between two pauses. They are cut no further ahead than are under way, so that neither
        disk nor memory fills; `hold` counts them. Raises Overloaded where there is no room for one."""
        waiting: deque[asyncio.Task[Transcript]] = deque()
        longest = min(self._longest, FINE) if times else self._longest
        most = largest(longest, sys.maxsize)
        try:
            async with contextlib.aclosing(self._cut(request.media, longest, times=times)) as pieces:
                while True:
                    while not _room(hold, most, needed=not waiting):
                        yield await waiting.popleft()
                    piece = await anext(pieces, None)
                    hold(file=(piece.media.size if piece else 0) - most)
                    if piece is None:
                        break
                    waiting.append(asyncio.create_task(self._piece(request, piece, key, hold)))
                    while waiting and (waiting[0].done() or len(waiting) >= self._at_once):
                        yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _cut(self, media: Media, longest: float, *, times: bool) -> AsyncGenerator[Piece, None]:
        folder = media.path.with_suffix(PIECES)
        await asyncio.to_thread(folder.mkdir, exist_ok=True)
        async with contextlib.aclosing(
            self._worker.iterate(split, media.path, folder, longest=longest, voiced=times)
        ) as parts:
            async for part in parts:
                yield part

    async def _piece(self, request: Request, piece: Piece, key: str, hold: Hold) -> Transcript:
        media = piece.media
        try:
            async with self._slots.taken(ON_BEHALF.get()):
                transcript = await self._patient(roads.piece(request, media), key)
        finally:
            media.path.unlink(missing_ok=True)
            hold(file=-media.size)
        text = begun(transcript.text.strip())
        spans = piece.voiced or ((piece.start, piece.start + media.duration),)
        said = await asyncio.to_thread(phrases, text, spans) if text else []  # 10 ms of processor for 30 s of speech
        segments = tuple(
            Segment(
                text=phrase.text.strip(),
                start=phrase.start,
                end=phrase.end,
                language=transcript.language,
                emotion=transcript.emotion,
            )
            for phrase in said
        )
        return msgspec.structs.replace(transcript, text=text, segments=segments)

    async def _patient(self, request: Request, key: str) -> Transcript:
        """A slot stays taken meanwhile: when the rate is used up, fewer pieces ask."""
        async for attempt in stamina.retry_context(
            on=_rate, attempts=None, timeout=PATIENCE, wait_initial=2.0, wait_max=30.0
        ):
            with attempt:
                return await self._hear(request, key)
        raise AssertionError("stamina returns or raises")


def _room(hold: Hold, size: int, *, needed: bool) -> bool:
    """Whether there is room, which is then taken. Raises Overloaded where there is none and it is `needed`."""
    try:
        hold(file=size)
    except Overloaded:
        if needed:
            raise
        return False
    return True


def _rate(exc: Exception) -> bool | float:
    return isinstance(exc, RateLimited) and (exc.retry_after or True)


def joined(parts: Iterable[Transcript], request: Request) -> Transcript:
    parts = list(parts)
    segments = tuple(segment for part in parts for segment in part.segments)
    return Transcript(
        text=joined_texts(part.text for part in parts),
        segments=segments,
        language=results.prevailing(segments, "language") or request.language,
        emotion=results.prevailing(segments, "emotion"),
        duration=request.media.duration,
        usage=_sum([part.usage for part in parts]),
        model=request.model,
        surface=request.surface,
        request_id=next((part.request_id for part in parts if part.request_id), None),
    )


def _sum(usages: list[Usage]) -> Usage:
    """Of what every piece told; what one of them did not tell is not known of the whole."""
    sums: dict[str, float | int | None] = {}
    for name in Usage.__struct_fields__:
        figures = [getattr(usage, name) for usage in usages]
        sums[name] = None if None in figures or not figures else sum(figures)
    return msgspec.convert(sums, Usage)
