"""POST /v1/audio/translations: a transcription whose segments are translated."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from compat import languages
from compat.endpoints import responses
from compat.endpoints.disconnect import while_connected
from compat.endpoints.jobs import order_for
from compat.endpoints.preparation import Preparation
from compat.errors import BadRequest
from compat.jobs.manager import JobManager
from compat.openai_api import form
from compat.transcript import Transcript
from compat.transcription.recogniser import Recogniser, is_job
from compat.transcription.translator import Translator
from compat.transcription.work import Work


class Translations:
    def __init__(
        self, preparation: Preparation, recogniser: Recogniser, jobs: JobManager, translator: Translator
    ) -> None:
        self._preparation = preparation
        self._recogniser = recogniser
        self._jobs = jobs
        self._translator = translator

    async def create(self, request: Request) -> Response:
        """Return the translated transcript. Raises CompatError."""
        async with contextlib.AsyncExitStack() as stack:
            files = stack.enter_context(contextlib.ExitStack())
            received = await self._preparation.receive(request, files, form.translation)
            work = await self._preparation.prepare(request, received)
            if work.ask.engine and work.ask.engine not in languages.ENGINES:
                raise BadRequest(
                    "Translation needs DashScope, which COMPAT_ENGINE=openai replaces: use /v1/audio/transcriptions."
                )
            if is_job(work):
                order = await order_for(request, received.form, work, files)
                recognised = self._jobs.transcript(order)
            else:
                work = await self._preparation.charged(work, stack)
                recognised = self._recogniser.transcript(work)
            transcript = await while_connected(request.receive, self._translated(recognised, work))
        return await responses.answer(request, transcript, work)

    async def _translated(self, recognised: Coroutine[Any, Any, Transcript], work: Work) -> Transcript:
        target = work.ask.target or form.ENGLISH
        return await self._translator.translated(await recognised, target, work.principal)
