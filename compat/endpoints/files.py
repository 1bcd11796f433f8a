"""GET /files/{token}: audio of jobs under way, for the service to fetch from this server's public address.

A link cannot be guessed, is known to this process only and ends with the job's need of it.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from compat.errors import NotFound
from compat.transcript import Media


class Links:
    def __init__(self, root: str) -> None:
        """`root` is the address under which the service reaches this very process."""
        self._root = root
        self._files: dict[str, Media] = {}

    @contextlib.contextmanager
    def published(self, media: Media) -> Iterator[str]:
        """The file's address, for as long as the context is open. It ends as the file's name would: some downloaders
        go by that."""
        token = f"{secrets.token_urlsafe(32)}{media.suffix}"
        self._files[token] = media
        try:
            yield f"{self._root}/files/{token}"
        finally:
            del self._files[token]

    async def get(self, request: Request) -> Response:
        """The file with Content-Length, or the Range of it that is asked for."""
        request.state.log["path"] = "/files/…"  # an address of audio does not belong in a log
        media = self._files.get(request.path_params["token"])
        if media is None or not media.path.exists():
            raise NotFound("There is no such file, or its job has ended.")
        return FileResponse(media.path, media_type=media.mime, headers={"cache-control": "private, no-store"})
