"""Translation: translates a transcript into another language and keeps the times of its segments."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from compat.config.principal import Principal
from compat.config.settings import Settings
from compat.dashscope_api import translation
from compat.errors import BadRequest
from compat.text import joined
from compat.transcript import Transcript
from compat.upstream.fallback import Fallback
from compat.upstream.http import Service

AT_ONCE = 5  # concurrent calls of one request
LIVE = 10.0  # seconds in which a sentence of live speech is translated, or has to be sent again

T = TypeVar("T")


class Translator:
    def __init__(self, settings: Settings, service: Service | Fallback) -> None:
        self._model = settings.translation_model
        self._service = service

    async def translated(self, transcript: Transcript, target: str, principal: Principal) -> Transcript:
        """Return the transcript in the language with the code `target`. Segments in that language are not sent.

        Raises any CompatError.
        """
        if not transcript.segments:
            if not transcript.text or transcript.language == target:
                return transcript
            return msgspec.structs.replace(transcript, text=await _Work(self, target, principal).text(transcript.text))
        foreign = [
            place
            for place, segment in enumerate(transcript.segments)
            if segment.text.strip() and (segment.language or transcript.language) != target
        ]
        if not foreign:
            return transcript
        texts = await _Work(self, target, principal).texts([transcript.segments[place].text for place in foreign])
        segments = list(transcript.segments)
        for place, text in zip(foreign, texts, strict=True):
            segments[place] = msgspec.structs.replace(segments[place], text=text, words=())
        return msgspec.structs.replace(
            transcript, text=joined(segment.text for segment in segments), segments=tuple(segments)
        )

    async def sentence(
        self, text: str, target: str, principal: Principal, model: str, terms: Mapping[str, str], source: str | None
    ) -> str:
        """Translate a sentence of live speech. The timeout is short, because the sentences behind it wait."""
        return await self.translate(text, target, principal, model, terms, source=source, within=LIVE)

    async def translate(
        self,
        text: str,
        target: str,
        principal: Principal,
        model: str = "",
        terms: Mapping[str, str] | None = None,
        *,
        source: str | None = None,
        within: float | None = None,
    ) -> str:
        call = translation.call(text, model=model or self._model, target=target, source=source, terms=terms)
        call = msgspec.structs.replace(call, within=within)
        try:
            return translation.text(await self._service.send(call, principal))
        except BadRequest as exc:
            if type(exc) is BadRequest and "language" in exc.message.lower():  # the model detects the source language
                raise BadRequest(exc.message, param="target_language", code=exc.code) from exc
            raise


class _Work:
    """The calls of one request, with bounded concurrency."""

    def __init__(self, translator: Translator, target: str, principal: Principal) -> None:
        self._translator = translator
        self._target = target
        self._principal = principal
        self._free = asyncio.Semaphore(AT_ONCE)

    async def text(self, whole: str) -> str:
        return joined(await _together([self._call(part) for part in translation.chunks(whole)]))

    async def texts(self, texts: Sequence[str]) -> list[str]:
        """Return the translation of each text. Several texts are sent in one call, a line each. If the response has a
        different number of lines, they are sent one by one."""
        batches = list(translation.batches(texts))
        translated = await _together([self._batch([texts[place] for place in batch]) for batch in batches])
        return [text for batch in translated for text in batch]

    async def _batch(self, texts: list[str]) -> list[str]:
        if len(texts) > 1:
            answer = await self._call("\n".join(map(translation.line, texts)))
            lines = translation.lines(answer, len(texts))
            if lines is not None:
                return lines
        return [await self.text(text) for text in texts]

    async def _call(self, text: str) -> str:
        async with self._free:
            return await self._translator.translate(text, self._target, self._principal)


async def _together(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Return all results in order. The first error cancels the other calls."""
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
