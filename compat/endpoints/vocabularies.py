"""/v1/dashscope/vocabularies: list, create, retrieve, update and delete the vocabularies stored in DashScope.

They belong to the account and not to a client, so a key needs the scope admin. With COMPAT_PASS_KEY each client manages
those of its own account.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from compat.config.principal import Principal
from compat.endpoints.auth import Gate
from compat.endpoints.bodies import read_whole
from compat.endpoints.disconnect import while_connected
from compat.openai_api import vocabularies as public
from compat.transcription.vocabularies import Vocabularies

LARGEST = 1 << 20  # bytes of a request body


class VocabularyEndpoints:
    def __init__(self, gate: Gate, vocabularies: Vocabularies) -> None:
        self._gate = gate
        self._vocabularies = vocabularies

    async def list_all(self, request: Request) -> Response:
        """Return a page of the account's vocabularies, without their words. Raises CompatError."""
        principal = await self._admitted(request)
        wanted = public.page(request.query_params.multi_items())
        return JSONResponse(await while_connected(request.receive, self._listed(wanted, principal)))

    async def _listed(self, wanted: public.Page, principal: Principal) -> dict[str, object]:
        page, more = public.cut(await self._vocabularies.list_all(principal, wanted.prefix), wanted)
        return public.listing(await self._vocabularies.targeted(page, principal), more=more)

    async def create(self, request: Request) -> Response:
        """Store a vocabulary. Raises CompatError."""
        principal = await self._admitted(request)
        given = public.body(await read_whole(request, LARGEST, "vocabulary"), public.Creation)
        # Not cancelled if the client disconnects: DashScope may have stored the vocabulary, which counts.
        made = await self._vocabularies.create(given.target_model, given.prefix, given.words, principal)
        return JSONResponse(public.shown(made))

    async def retrieve(self, request: Request) -> Response:
        """Return a vocabulary with its words. Raises CompatError."""
        principal = await self._admitted(request)
        finding = self._vocabularies.get(request.path_params["id"], principal)
        return JSONResponse(public.shown(await while_connected(request.receive, finding)))

    async def update(self, request: Request) -> Response:
        """Replace the words of a vocabulary. Raises CompatError."""
        principal = await self._admitted(request)
        given = public.body(await read_whole(request, LARGEST, "vocabulary"), public.Update)
        changed = await self._vocabularies.update(request.path_params["id"], given.words, principal)
        return JSONResponse(public.shown(changed))

    async def delete(self, request: Request) -> Response:
        """Delete a vocabulary. Raises CompatError."""
        principal = await self._admitted(request)
        await self._vocabularies.delete(request.path_params["id"], principal)
        return JSONResponse(public.deleted(request.path_params["id"]))

    async def _admitted(self, request: Request) -> Principal:
        principal = self._gate.caller(request, "rest" if self._gate.passes_keys else "admin")
        await self._gate.admit(request, principal)
        return principal
