"""POST /v1/audio/translations: recognised as a transcription is, then translated segment by segment."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from compat.endpoints import answers, upload
from compat.endpoints.auth import caller
from compat.endpoints.hangup import while_connected
from compat.endpoints.recognition import Recogniser, Work
from compat.endpoints.translating import Translator
from compat.openai_api import form
from compat.settings import Settings
from compat.transcript import Transcript


class Translations:
    def __init__(self, settings: Settings, recogniser: Recogniser, translator: Translator, folder: Path) -> None:
        """`folder` is where each request gets one of its own."""
        self._settings = settings
        self._recogniser = recogniser
        self._translator = translator
        self._folder = folder

    async def create(self, request: Request) -> Response:
        key = caller(self._settings, request.headers).key
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self._folder)))
            received = await upload.receive(request, folder / "upload", limit=self._settings.max_upload)
            ask = form.translation(received.fields)
            work = await while_connected(request.receive, self._recogniser.prepare(ask, received.path, key))
            answers.note(request, work)
            transcript = await while_connected(request.receive, self._translated(work))
        return await answers.answer(transcript, work)

    async def _translated(self, work: Work) -> Transcript:
        transcript = await self._recogniser.transcript(work)
        return await self._translator.translated(transcript, work.ask.target or form.ENGLISH, work.key)
