"""Audio inside a JSON body, as a data URI whose base64 is streamed from disk."""

from __future__ import annotations

import msgspec

from compat.dashscope_api.calls import Call, File
from compat.transcript import Media

_MARK = b";base64,"


def data_uri(media: Media) -> str:
    """The URI as far as it is known without reading the file. Bare base64, as OpenAI sends it, is refused (400)."""
    return f"data:{media.mime}{_MARK.decode()}"


def inline_call(url: str, body: object, media: Media, headers: dict[str, str] | None = None, *, rate: str = "") -> Call:
    """A POST of `body` as JSON, the audio in the place of its `data_uri`, which must be the last string in `body`."""
    head, mark, tail = msgspec.json.encode(body).rpartition(_MARK)
    return Call(
        method="POST",
        url=url,
        headers={"content-type": "application/json", **(headers or {})},
        body=(head + mark, File(media.path, media.size, base64=True), tail),
        rate=rate,
    )
