"""Putting a request's sound before the engine, and the words the synchronous surfaces have for what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from compat.emulator import refusals, sound
from compat.emulator.engine import Sentence
from compat.emulator.media import MediaTrouble, Sound, Source, Trouble, fetch
from compat.emulator.refusals import Refusal
from compat.emulator.state import Emulator
from compat.emulator.surface import Asked


class MediaRefusal(Refusal):
    """A refusal that remembers what the trouble was."""

    def __init__(self, refusal: Refusal, trouble: Trouble) -> None:
        super().__init__(refusal.status, refusal.code, refusal.message, compat=refusal.compat)
        self.trouble = trouble


class Hearing:
    """One sound and what the engine makes of it."""

    def __init__(self, emulator: Emulator, heard: Sound) -> None:
        self._engine = emulator.engine
        self._path = heard.path
        self.seconds = heard.seconds

    async def sentences(self, *, channel: int | None = None, speakers: bool = False) -> AsyncIterator[Sentence]:
        """As the engine finds them, each step in a thread. Raises sound.BadSound.

        When the caller stops listening within a step, the thread's is the last reference to the engine's generator:
        it closes as the step ends.
        """
        found = self._engine.recognise(sound.read(self._path, channel=channel), speakers=speakers)
        while (sentence := await asyncio.to_thread(next, found, None)) is not None:
            yield sentence


async def sync_sound(asked: Asked, model: str, url: str, *, max_bytes: int) -> Sound:
    """The sound of a synchronous request. Raises MediaRefusal."""
    source = Source(
        url=url,
        model=model,
        account=asked.account,
        resolve=asked.flag("x-dashscope-ossresourceresolve"),
        inline=True,
        max_bytes=max_bytes,
        max_seconds=asked.emulator.limits.sync_seconds,
    )
    try:
        return await fetch(asked.emulator, source)
    except MediaTrouble as exc:
        raise MediaRefusal(refused(exc.trouble, max_bytes), exc.trouble) from exc


def refused(trouble: Trouble, max_bytes: int) -> Refusal:
    match trouble:
        case Trouble.MALFORMED:
            return refusals.algorithm("The provided URL does not appear to be valid. Ensure it is correctly formatted.")
        case Trouble.URI_TOO_LARGE:
            return refusals.algorithm(f"Exceeded limit on max bytes per data-uri item : {max_bytes}")
        case Trouble.UNRESOLVED | Trouble.FAILED | Trouble.FORBIDDEN | Trouble.MISSING:
            return refusals.algorithm("Failed to download multimodal content")
        case Trouble.NO_LENGTH:
            return refusals.algorithm("Missing Content-Length of multimodal url")
        case Trouble.TOO_LARGE:
            return refusals.algorithm("Multimodal file size is too large")
        case Trouble.EMPTY:
            return refusals.algorithm("The audio is empty")
        case Trouble.ILLEGAL:
            return refusals.illegal()
        case Trouble.TOO_LONG:
            return refusals.algorithm("The audio is too long")
