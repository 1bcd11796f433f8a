"""Audio inside a JSON body: a data URI whose base64 is streamed from disk."""

from __future__ import annotations

import msgspec

from compat.dashscope_api.calls import Call, File
from compat.transcript import Media

_MARK = b";base64,"


def data_uri(media: Media) -> str:
    """Return the data URI without the audio, which `inline_call` inserts.

    DashScope requires a data URI: it refuses bare base64, the format of OpenAI's API, with a 400.
    """
    return f"data:{media.mime}{_MARK.decode()}"


def inline_call(url: str, body: object, media: Media, headers: dict[str, str] | None = None, *, rate: str = "") -> Call:
    """Return a POST request with `body` as JSON and the audio inserted after its `data_uri`.

    The `data_uri` must be the last string in `body`.
    """
    head, mark, tail = msgspec.json.encode(body).rpartition(_MARK)
    return Call(
        method="POST",
        url=url,
        headers={"content-type": "application/json", **(headers or {})},
        body=(head + mark, File(media.path, media.size, base64=True), tail),
        rate=rate,
    )
