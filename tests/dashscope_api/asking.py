"""What the tests of this room ask with, and how they play a flow."""

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
    """The body of a call, with the name of a file in the place of its base64."""
    assert isinstance(call, Call)
    parts = [part if isinstance(part, bytes) else part.path.name.encode() for part in call.body]
    said: dict[str, object] = msgspec.json.decode(b"".join(parts))
    return said


def splits(raw: bytes) -> Iterator[tuple[bytes, ...]]:
    """`raw` in every way to break it in two, and byte by byte."""
    for at in range(len(raw) + 1):
        yield raw[:at], raw[at:]
    yield tuple(raw[at : at + 1] for at in range(len(raw)))


def frames(*messages: object, done: bool = True) -> bytes:
    """Server-sent events as the compatible surface writes them."""
    said = b"".join(b"data: " + msgspec.json.encode(message) + b"\n\n" for message in messages)
    return said + b"data: [DONE]\n\n" if done else said


def play(flow: Flow[T], replies: Iterable[Reply | CompatError]) -> tuple[list[Call | Wait | Submitted], T]:
    """The driver without network and clock: the steps that the flow asked for, and what it returned."""
    steps: list[Call | Wait | Submitted] = []
    waiting = iter(replies)
    try:
        steps.append(next(flow))
        while True:
            said = next(waiting) if isinstance(steps[-1], Call) else None
            steps.append(flow.throw(said) if isinstance(said, CompatError) else flow.send(said))
    except StopIteration as stop:
        assert not list(waiting), "the flow ended before it had heard everything"
        result: T = stop.value
        return steps, result
