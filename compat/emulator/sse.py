"""Server-sent events: OpenAI's framing on the compatible surface, DashScope's on the native one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal, Protocol, TypeVar

import msgspec
from starlette.responses import Response, StreamingResponse

from compat.emulator import refusals
from compat.emulator.faults import Break, Fault
from compat.emulator.media import Sound
from compat.emulator.readings import Readings
from compat.emulator.refusals import Refusal
from compat.emulator.sound import BadSound
from compat.emulator.surface import ApiCall

T = TypeVar("T")
STATUS_LINES: dict[str, str] = {"comment": ":HTTP_STATUS/{}\n", "field": "status:{}\n", "absent": ""}


def data(value: object) -> bytes:
    """Return `data: {…}` and an empty line."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def native(
    number: int, value: object, readings: Readings, *, event: Literal["result", "error"] = "result", status: int = 200
) -> bytes:
    """Return `id:`, `event:`, the status line, and `data:` without a space."""
    head = f"id:{number}\nevent:{event}\n{STATUS_LINES[readings.status_line].format(status)}data:"
    return head.encode() + msgspec.json.encode(value) + b"\n\n"


def refused(number: int, refusal: Refusal, request_id: str, readings: Readings) -> bytes:
    """Return an error within a stream: `event:error` with its status in the status line; the HTTP status is already
    200."""
    body = refusals.native_body(refusal, request_id)
    return native(number, body, readings, event="error", status=refusal.status)


async def native_stream(bodies: AsyncIterator[dict[str, Any]], call: ApiCall) -> AsyncIterator[bytes]:
    number = 0
    try:
        async for body in _until_broken(bodies, call.fault):
            number += 1
            yield native(number, body, call.emulator.readings)
    except Refusal as refusal:
        yield refused(number + 1, refusal, call.id, call.emulator.readings)


async def compat_stream(chunks: AsyncIterator[dict[str, Any]], call: ApiCall) -> AsyncIterator[bytes]:
    """Yield the stream. An error within it is sent as the last chunk, without [DONE]."""
    try:
        async for chunk in _until_broken(chunks, call.fault):
            yield data(chunk)
    except Refusal as refusal:
        yield data(refusals.compat_body(refusal, call.id))
    else:
        yield b"data: [DONE]\n\n"


async def _until_broken(bodies: AsyncIterator[T], fault: Fault | None) -> AsyncIterator[T]:
    """Yield the bodies. Raises Refusal for a `break` fault and for audio that cannot be decoded."""
    passed = 0
    try:
        async for body in bodies:
            if isinstance(fault, Break) and passed == fault.after:
                raise Refusal(500, fault.code, fault.message)
            passed += 1
            yield body
    except BadSound as exc:
        raise refusals.illegal() from exc


class SyncAnswer(Protocol):
    """A synchronous answer: one JSON body or a stream of events."""

    async def whole(self) -> dict[str, Any]: ...

    def stream(self) -> AsyncIterator[bytes]: ...


async def answered(answer: SyncAnswer, sound: Sound, *, stream: bool) -> Response:
    """Return the response, whole or as events, and remove the audio file at its end.

    Raises Refusal for audio that cannot be decoded.
    """
    if stream:
        return streaming(answer.stream(), sound)
    try:
        return refusals.json_response(await answer.whole())
    except BadSound as exc:
        raise refusals.illegal() from exc
    finally:
        sound.close()


def streaming(frames: AsyncIterator[bytes], sound: Sound | None = None) -> StreamingResponse:
    """Stream the frames, then remove the audio file."""
    return StreamingResponse(_closing(frames, sound), media_type="text/event-stream")


async def _closing(frames: AsyncIterator[bytes], sound: Sound | None) -> AsyncIterator[bytes]:
    try:
        async for frame in frames:
            yield frame
    finally:
        if sound is not None:
            sound.close()
