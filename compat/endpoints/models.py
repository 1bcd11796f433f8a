"""GET /v1/models and /v1/models/{id}."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from compat.catalogue import models as catalogue
from compat.config.settings import Settings
from compat.endpoints.auth import Gate
from compat.openai_api import models


class Models:
    def __init__(self, settings: Settings, gate: Gate, engine: str) -> None:
        self._settings = settings
        self._gate = gate
        self._engine = engine

    async def list_all(self, request: Request) -> Response:
        """Return all model names and aliases of the region."""
        self._gate.caller(request)
        names = catalogue.names(self._settings.every_alias, self._settings.short_region, self._settings.model_family)
        return Response(models.listing(names, self._engine), media_type="application/json")

    async def retrieve(self, request: Request) -> Response:
        """Return one model. Raises ModelNotFound."""
        self._gate.caller(request)
        name = request.path_params["model"]
        if not catalogue.text_translator(name, self._settings.every_alias):
            catalogue.resolve(name, self._settings.every_alias)
        return Response(models.one(name), media_type="application/json")
