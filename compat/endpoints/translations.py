"""POST /v1/audio/translations: a transcription whose segments are translated."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from compat.config.settings import Settings
from compat.endpoints import responses, upload
from compat.endpoints.auth import Gate
from compat.endpoints.disconnect import while_connected
from compat.endpoints.jobs import ordered
from compat.endpoints.paths import with_model
from compat.endpoints.upload import LoopTurns
from compat.jobs.manager import JobManager
from compat.openai_api import form
from compat.transcript import Transcript
from compat.transcription.recogniser import Recogniser, is_job
from compat.transcription.spool import Spool
from compat.transcription.translator import Translator
from compat.transcription.work import Work


class Translations:
    def __init__(
        self,
        settings: Settings,
        gate: Gate,
        recogniser: Recogniser,
        jobs: JobManager,
        translator: Translator,
        spool: Spool,
        turns: LoopTurns,
    ) -> None:
        """`spool` stores the uploads; `turns` spreads simultaneous uploads over the event loop."""
        self._settings = settings
        self._gate = gate
        self._recogniser = recogniser
        self._jobs = jobs
        self._translator = translator
        self._spool = spool
        self._turns = turns

    async def create(self, request: Request) -> Response:
        """Return the translated transcript. Raise CompatError."""
        principal = self._gate.caller(request)
        await self._gate.admit(request, principal)
        with contextlib.ExitStack() as files:
            place = files.enter_context(self._spool.place(principal.party))
            with responses.timed(request, "upload"):
                received = await upload.receive(request, place, limit=self._settings.max_upload, turns=self._turns)
            ask = form.translation(
                with_model(request, received.fields, self._settings.every_alias), request.query_params.multi_items()
            )
            preparing = self._recogniser.prepare(ask, place.path, principal, place.reserve)
            work = await while_connected(request.receive, preparing)
            responses.note(request, work)
            if is_job(work):
                order = await ordered(request, received, work, files)
                recognised = self._jobs.transcript(order)
            else:
                recognised = self._recogniser.transcript(work)
            transcript = await while_connected(request.receive, self._translated(recognised, work))
        return await responses.answer(request, transcript, work)

    async def _translated(self, recognised: Coroutine[Any, Any, Transcript], work: Work) -> Transcript:
        target = work.ask.target or form.ENGLISH
        return await self._translator.translated(await recognised, target, work.principal)
