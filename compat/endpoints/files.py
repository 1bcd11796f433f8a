"""GET /files/{token}: audio of running jobs, which the service downloads from this server's public URL."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from compat.errors import NotFound
from compat.transcription.publishing import Links


class Files:
    def __init__(self, links: Links) -> None:
        self._links = links

    async def get(self, request: Request) -> Response:
        """Return the file, or the requested range of it. Raises NotFound."""
        request.state.entry.path = "/files/…"  # audio addresses must not be logged
        file = self._links.find(request.path_params["token"])
        if file is None:
            raise NotFound("No such file, or its job has ended.")
        return FileResponse(file.path, media_type=file.mime, headers={"cache-control": "private, no-store"})
