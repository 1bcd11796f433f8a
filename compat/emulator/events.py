"""Server-sent events as DashScope writes them: OpenAI's framing on the compatible surface, its own elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

import msgspec
from starlette.responses import StreamingResponse

from compat.emulator.media import Sound
from compat.emulator.readings import Readings

STATUS_LINES: dict[str, str] = {"comment": ":HTTP_STATUS/{}\n", "field": "status:{}\n", "absent": ""}


def data(value: object) -> bytes:
    """`data: {…}` and an empty line."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def native(
    number: int, value: object, readings: Readings, *, event: Literal["result", "error"] = "result", status: int = 200
) -> bytes:
    """`id:`, `event:`, the status in one of its spellings, `data:` without a space."""
    head = f"id:{number}\nevent:{event}\n{STATUS_LINES[readings.status_line].format(status)}data:"
    return head.encode() + msgspec.json.encode(value) + b"\n\n"


def streaming(frames: AsyncIterator[bytes], sound: Sound | None = None) -> StreamingResponse:
    """Sends frames as they come; the sound goes with the last of them."""
    return StreamingResponse(_closing(frames, sound), media_type="text/event-stream")


async def _closing(frames: AsyncIterator[bytes], sound: Sound | None) -> AsyncIterator[bytes]:
    try:
        async for frame in frames:
            yield frame
    finally:
        if sound is not None:
            sound.close()
