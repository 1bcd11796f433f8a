"""The steps before the work of a transcription or a translation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import msgspec
from starlette.requests import Request

from compat.catalogue import roads
from compat.config.principal import Principal
from compat.config.settings import Settings
from compat.endpoints import responses, upload
from compat.endpoints.auth import Gate
from compat.endpoints.disconnect import while_connected
from compat.endpoints.paths import with_model
from compat.spending.accounting import Accounting
from compat.transcript import Ask
from compat.transcription.recogniser import Recogniser
from compat.transcription.spool import Spool, UploadPlace
from compat.transcription.work import Work


class Received(msgspec.Struct, frozen=True):
    """The form of an admitted client, and the request that it contains."""

    principal: Principal
    place: UploadPlace
    form: upload.Upload
    ask: Ask


class Preparation:
    """The first steps of a transcription or a translation: admit the client, receive its form, prepare the work and
    charge it."""

    def __init__(
        self, settings: Settings, gate: Gate, recogniser: Recogniser, spool: Spool, accounting: Accounting
    ) -> None:
        self._settings = settings
        self._gate = gate
        self._recogniser = recogniser
        self._spool = spool
        self._accounting = accounting
        self._turns = upload.LoopTurns()

    async def receive(
        self, request: Request, files: contextlib.ExitStack, parse: Callable[[upload.Fields, upload.Fields], Ask]
    ) -> Received:
        """Return the form. `parse` is called with its fields and those of the query. The file is deleted when `files`
        is closed. Raises CompatError."""
        principal = self._gate.caller(request)
        await self._gate.admit(request, principal)
        place = files.enter_context(self._spool.place(principal.party))
        with responses.Timed(request, "upload"):
            form = await upload.receive(request, place, limit=self._settings.max_upload, turns=self._turns)
        fields = with_model(request, form.fields, self._settings.every_alias)
        return Received(principal, place, form, parse(fields, request.query_params.multi_items()))

    async def prepare(self, request: Request, received: Received) -> Work:
        """Return the work, and add it to the access log entry. Raises CompatError."""
        place = received.place
        preparing = self._recogniser.prepare(received.ask, place.path, received.principal, place.reserve, place.audio)
        work = await while_connected(request.receive, preparing)
        if not work.request.media.audio:
            place.forget()
        responses.note(request, work)
        return work

    async def charged(self, work: Work, stack: contextlib.AsyncExitStack) -> Work:
        """Charge the audio of work that is no job, until `stack` is closed, if the client's key has a bound. Return the
        work with a meter. Raises BadRequest, QuotaExceeded or ServiceUnavailable."""
        if not work.principal.bounded:
            return work
        charging = self._accounting.charged(work.principal, roads.counted_seconds(work.request))
        return msgspec.structs.replace(work, principal=await stack.enter_async_context(charging))
