from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from compat.endpoints.streaming import Confirmed, EventStream, SlowJson, kept_alive
from compat.errors import ServiceFailed
from tests.servers import serve

HEARTBEAT = b": ping\n\n"


class Script:
    """Yield one part for each release of `gate`; raise an error among the parts."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self._parts = parts
        self.gate = asyncio.Semaphore(0)
        self.closed = False

    async def play(self) -> AsyncGenerator[bytes, None]:
        try:
            for part in self._parts:
                await self.gate.acquire()
                if isinstance(part, Exception):
                    raise part
                yield part
        finally:
            self.closed = True


async def test_keep_alives_are_sent_only_while_no_part_is_ready() -> None:
    script = Script(b"one", b"two")
    stream = kept_alive(script.play(), every=0.01, heartbeat=lambda: HEARTBEAT)

    assert [HEARTBEAT, HEARTBEAT] == [await anext(stream), await anext(stream)]
    script.gate.release()
    script.gate.release()
    after = [part async for part in stream if part != HEARTBEAT]

    assert [b"one", b"two"] == after
    assert script.closed


async def test_no_keep_alive_is_sent_before_the_interval() -> None:
    script = Script(b"one", b"two")
    for _ in range(2):
        script.gate.release()

    assert [b"one", b"two"] == [part async for part in kept_alive(script.play(), every=60, heartbeat=lambda: HEARTBEAT)]


async def test_an_error_passes_through() -> None:
    script = Script(ServiceFailed("it failed"))
    stream = kept_alive(script.play(), every=0.01, heartbeat=lambda: HEARTBEAT)
    assert HEARTBEAT == await anext(stream)
    script.gate.release()

    with pytest.raises(ServiceFailed):
        _ = [part async for part in stream]
    assert script.closed


async def test_closing_the_stream_ends_the_work() -> None:
    script = Script(b"one")
    stream = kept_alive(script.play(), every=0.01, heartbeat=lambda: HEARTBEAT)
    await anext(stream)
    await stream.aclose()

    assert script.closed


@pytest.mark.parametrize("kind", [EventStream, SlowJson])
@pytest.mark.parametrize("fault", [ServiceFailed("it failed"), RuntimeError("a secret")], ids=["known", "unknown"])
def test_a_fault_after_the_first_part_is_the_last_part(kind: type[EventStream], fault: Exception) -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        yield b" "
        raise fault

    async def answer(_: Request) -> Response:
        parts = broken()
        return kind(await anext(parts), parts, contextlib.AsyncExitStack(), {})

    with serve(Starlette(routes=[Route("/", answer)])) as root:
        got = httpx2.get(root)

    assert 200 == got.status_code
    assert kind.media_type in got.headers["content-type"]
    body = json.loads(got.text.strip().removeprefix("data: "))
    assert {"message", "type", "param", "code"} == set(body["error"])
    assert "secret" not in got.text


@pytest.mark.parametrize(("gone_after", "delivered"), [(0, 0), (1, 0), (2, 0), (3, 0), (4, 1)])
async def test_a_response_is_delivered_once_the_client_has_received_all_of_it(gone_after: int, delivered: int) -> None:
    """The client disconnects after `gone_after` of the response's 4 messages."""
    sent: list[Message] = []
    reported: list[str] = []
    gone = asyncio.Event()
    if gone_after == 0:
        gone.set()

    async def send(message: Message) -> None:
        sent.append(message)
        if len(sent) == gone_after:
            gone.set()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def delivery() -> None:
        reported.append("delivered")

    response = Confirmed(b"all of it", media_type="text/plain", headers={}, delivered=delivery)
    await response({"type": "http", "method": "GET"}, receive, send)

    assert delivered == len(reported)
    assert b"all of it".startswith(b"".join(message.get("body", b"") for message in sent))


@pytest.mark.parametrize(("method", "delivered"), [("GET", 1), ("HEAD", 0)])
async def test_a_head_request_is_not_a_delivery(method: str, delivered: int) -> None:
    reported: list[str] = []

    async def endpoint(_: Request) -> Response:
        async def delivery() -> None:
            reported.append("delivered")

        return Confirmed(b"all of it", media_type="text/plain", headers={}, delivered=delivery)

    with serve(Starlette(routes=[Route("/", endpoint)])) as root:
        answer = await asyncio.to_thread(httpx2.request, method, root)
    # the server has stopped, and its requests have ended
    assert "9" == answer.headers["content-length"]
    assert delivered == len(reported)
