"""GET /files/{token}: audio of jobs under way, for the service to fetch from this server's public address."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from compat.errors import NotFound
from compat.transcription.publishing import Links


class Files:
    def __init__(self, links: Links) -> None:
        self._links = links

    async def get(self, request: Request) -> Response:
        """The file with Content-Length, or the Range of it that is asked for."""
        request.state.entry.path = "/files/…"  # an address of audio does not belong in a log
        media = self._links.find(request.path_params["token"])
        if media is None or not media.path.exists():
            raise NotFound("There is no such file, or its job has ended.")
        return FileResponse(media.path, media_type=media.mime, headers={"cache-control": "private, no-store"})
