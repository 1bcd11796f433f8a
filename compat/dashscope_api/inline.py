"""Parts of JSON bodies: audio as a data URI whose base64 is streamed from disk, and context as messages."""

from __future__ import annotations

from typing import Any

import msgspec

from compat.catalogue.biasing import rounds
from compat.dashscope_api.calls import Call, File
from compat.transcript import Media

_MARK = b";base64,"


def data_uri(media: Media) -> str:
    """Return the data URI without the audio, which `inline_call` inserts.

    DashScope requires a data URI: it refuses bare base64, the format of OpenAI's API, with a 400.
    """
    return f"data:{media.mime}{_MARK.decode()}"


def context_messages(text: str) -> list[dict[str, Any]]:
    """Return the context as messages for qwen-audio-3 and fun-asr-flash."""
    return [{"role": "user", "content": [{"type": "input_text", "text": part}]} for part in rounds(text)]


def inline_call(
    url: str,
    body: object,
    media: Media,
    headers: dict[str, str] | None = None,
    *,
    rate: str = "",
    bound: bool = False,
) -> Call:
    """Return a POST request with `body` as JSON and the audio inserted after its `data_uri`.

    The `data_uri` must be the last string in `body`.
    """
    head, mark, tail = msgspec.json.encode(body).rpartition(_MARK)
    return Call(
        method="POST",
        url=url,
        headers={"content-type": "application/json", **(headers or {})},
        body=(head + mark, File(media.path, media.size, base64=True, audio=media.audio), tail),
        rate=rate,
        bound=bound,
    )
