"""Multipart forms, received without a server."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.types import Message

from compat.endpoints import upload
from compat.endpoints.upload import LoopTurns
from compat.transcription.spool import UploadPlace

BOUNDARY = "b0undary"
AUDIO = b"RIFF\r\n--b0undar\r\n\x00\xff" * 3


def part(head: str, body: bytes) -> bytes:
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + body + b"\r\n"


def field(name: str, value: str) -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"', value.encode())


FILE = part('Content-Disposition: form-data; name="file"; filename="../a b.mp3"\r\nContent-Type: audio/mpeg', AUDIO)
END = f"--{BOUNDARY}--\r\n".encode()


async def received(
    body: bytes, at: Path | UploadPlace, *, step: int | None = None, limit: int = 1 << 20, **headers: str
) -> upload.Upload:
    chunks = [body[start : start + step] for start in range(0, len(body), step)] if step else [body]
    messages: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    waiting = iter(messages)

    async def receive() -> Message:
        return next(waiting)

    head = {"content_type": f"multipart/form-data; boundary={BOUNDARY}", **headers}
    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in head.items()],
    }
    place = UploadPlace(at / "upload") if isinstance(at, Path) else at
    return await upload.receive(Request(scope, receive), place, limit=limit, turns=LoopTurns())
