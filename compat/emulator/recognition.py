"""Recognition of a request's audio, and the errors of the synchronous surfaces for audio they cannot use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from compat.emulator import refusals, sound
from compat.emulator.engine import NO_HINTS, EngineTrouble, Hints, PatientSentences, Sentence
from compat.emulator.fetching import NO_REDIRECTS, RULE
from compat.emulator.media import MediaTrouble, Sound, Source, Trouble, fetch
from compat.emulator.refusals import Refusal
from compat.emulator.state import Emulator
from compat.emulator.surface import ApiCall


class MediaRefusal(Refusal):
    """A refusal with the reason why the audio cannot be used."""

    def __init__(self, refusal: Refusal, trouble: Trouble) -> None:
        super().__init__(
            refusal.status, refusal.code, refusal.message, compat=refusal.compat, retry_after=refusal.retry_after
        )
        self.trouble = trouble


class Recognition:
    """The recognition of one audio file by the engine."""

    def __init__(self, emulator: Emulator, sound: Sound, hints: Hints = NO_HINTS) -> None:
        self._engine = emulator.engine
        self._hints = hints
        self._path = sound.path
        self.seconds = sound.seconds

    async def sentences(self, *, channel: int | None = None, speakers: bool = False) -> AsyncIterator[Sentence]:
        """Yield sentences as the engine finds them, each step in a thread. Raises sound.BadSound and Refusal.

        When the caller stops within a step, the thread holds the last reference to the engine's generator, which
        closes when the step ends.
        """
        found = self._engine.recognise(sound.read(self._path, channel=channel), speakers=speakers, hints=self._hints)
        if isinstance(found, PatientSentences):
            try:
                while (sentence := await found.take()) is not None:
                    yield sentence
            except EngineTrouble as exc:
                raise refusals.engine(exc) from exc
            finally:
                found.stop()
            return
        while (sentence := await asyncio.to_thread(next, found, None)) is not None:
            yield sentence


async def sync_sound(call: ApiCall, model: str, url: str, *, max_bytes: int) -> Sound:
    """Fetch the audio of a synchronous request. Raises MediaRefusal."""
    source = Source(
        url=url,
        model=model,
        account=call.account,
        resolve=call.flag("x-dashscope-ossresourceresolve"),
        inline=True,
        max_bytes=max_bytes,
        max_seconds=call.emulator.limits.sync_seconds,
    )
    try:
        return await fetch(call.emulator, source)
    except MediaTrouble as exc:
        raise MediaRefusal(refused(exc.trouble, max_bytes), exc.trouble) from exc


MESSAGES = {
    Trouble.MALFORMED: "The provided URL does not appear to be valid. Ensure it is correctly formatted.",
    Trouble.URI_TOO_LARGE: "Exceeded limit on max bytes per data-uri item : {max_bytes}",
    Trouble.UNRESOLVED: "Failed to download multimodal content",
    Trouble.FAILED: "Failed to download multimodal content",
    Trouble.FORBIDDEN: "Failed to download multimodal content",
    Trouble.MISSING: "Failed to download multimodal content",
    Trouble.OFF_LIMITS: f"Failed to download multimodal content. {RULE}",
    Trouble.REDIRECTED: f"Failed to download multimodal content. {NO_REDIRECTS}",
    Trouble.NO_LENGTH: "Missing Content-Length of multimodal url",
    Trouble.TOO_LARGE: "Multimodal file size is too large",
    Trouble.EMPTY: "The audio is empty",
    Trouble.ILLEGAL: refusals.ILLEGAL,
    Trouble.TOO_LONG: "The audio is too long",
}


def refused(trouble: Trouble, max_bytes: int) -> Refusal:
    if trouble is Trouble.FULL:
        return refusals.full()
    return refusals.algorithm(MESSAGES[trouble].format(max_bytes=max_bytes))
