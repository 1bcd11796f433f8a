"""Helpers for tests of dashscope_api: requests, replies and a driver for flows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from compat.dashscope_api.calls import Call, Flow, Reply, Submitted, Wait
from compat.errors import CompatError
from compat.transcript import Media, Option, Request, Surface

T = TypeVar("T")
Options = dict[str, Option]
MEDIA = Media(
    path=Path("/spool/a.wav"),
    size=7,
    container="wav",
    mime="audio/wav",
    suffix=".wav",
    duration=2.5,
    rate=16000,
    channels=1,
)


def request(
    surface: Surface = "chat",
    model: str = "qwen3-asr-flash",
    *,
    media: Media = MEDIA,
    language: str | None = None,
    context: str = "",
    words: bool = False,
    options: Options | None = None,
) -> Request:
    return Request(
        model=model,
        surface=surface,
        media=media,
        language=language,
        context=context,
        words=words,
        options=options or {},
    )


def answer(body: object, status: int = 200, **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Reply(status=status, body=raw, headers={name.replace("_", "-"): value for name, value in headers.items()})


def json_of(call: object) -> dict[str, object]:
    """Return the decoded body of a call, with the name of the file in place of its base64."""
    assert isinstance(call, Call)
    parts = [part if isinstance(part, bytes) else part.path.name.encode() for part in call.body]
    body: dict[str, object] = msgspec.json.decode(b"".join(parts))
    return body


def splits(raw: bytes) -> Iterator[tuple[bytes, ...]]:
    """Yield `raw` split in two at every byte, then split into single bytes."""
    for at in range(len(raw) + 1):
        yield raw[:at], raw[at:]
    yield tuple(raw[at : at + 1] for at in range(len(raw)))


def frames(*messages: object, done: bool = True) -> bytes:
    """Return the messages as server-sent events in the format of the compatible surface."""
    raw = b"".join(b"data: " + msgspec.json.encode(message) + b"\n\n" for message in messages)
    return raw + b"data: [DONE]\n\n" if done else raw


def play(flow: Flow[T], replies: Iterable[Reply | CompatError]) -> tuple[list[Call | Wait | Submitted], T]:
    """Drive a flow without network or clock. Return the steps it yielded and its result."""
    steps: list[Call | Wait | Submitted] = []
    remaining = iter(replies)
    try:
        steps.append(next(flow))
        while True:
            reply = next(remaining) if isinstance(steps[-1], Call) else None
            steps.append(flow.throw(reply) if isinstance(reply, CompatError) else flow.send(reply))
    except StopIteration as stop:
        assert not list(remaining), "the flow ended before it used all replies"
        result: T = stop.value
        return steps, result
