"""Short text frames that arrive whole bypass the parser; messages, replies and closing stay the same."""

from __future__ import annotations

import asyncio
import itertools
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Opcode
from websockets.utils import apply_mask

from compat.server.run import config
from compat.server.websocket import FRAMES, WebSocketProtocol
from tests.polling import settled
from tests.server.stage import Loop, Wire
from tests.server.test_websocket import OPEN

KEY = b"\x12\x34\xf6\x78"


class App:
    """An application that handles texts at once if `takes` is true, and leaves them in the queue otherwise."""

    def __init__(self, takes: list[bool]) -> None:
        self.messages: list[str | bytes | int] = []
        self._takes = itertools.cycle(takes)

    def take(self, text: str) -> bool:
        taken = next(self._takes)
        if taken:
            self.messages.append(text)
        return taken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        scope["state"]["take"] = self.take
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            self.messages.append(message["text"] if "text" in message else message["bytes"])
        self.messages.append(message["code"])


async def exchanged(
    parts: list[bytes], takes: list[bool], end: bytes = b"", *, pauses: bool = True
) -> tuple[list[str | bytes | int], bytes]:
    """Return the messages that the application gets, and what the client gets. `pauses`: each part is handled before
    the next arrives; `end` always arrives after the rest."""
    wire, app = Wire(), App(takes)
    protocol = WebSocketProtocol(config(app), ServerState(), {}, cast("asyncio.AbstractEventLoop", Loop()))
    protocol.connection_made(wire)
    protocol.data_received(OPEN)
    await settled(50)
    for part in parts:
        protocol.data_received(part)
        if pauses:
            await settled(50)
    await settled(50)
    protocol.data_received(end + frame(0x81, b"more"))
    await settled(50)
    protocol.connection_lost(None)
    await asyncio.gather(*protocol.tasks)
    return app.messages, wire.written.partition(b"\r\n\r\n")[2]


def frame(first: int, payload: bytes, *, masked: bool = True, bits: int = 7) -> bytes:
    """Return a frame. `bits`: the shortest form of its length to use."""
    size, mask = len(payload), 0x80 if masked else 0
    if size < 126 and bits == 7:
        head = bytes([first, mask | size])
    elif size < 1 << 16 and bits <= 16:
        head = bytes([first, mask | 126]) + size.to_bytes(2)
    else:
        head = bytes([first, mask | 127]) + size.to_bytes(8)
    return head + (KEY + apply_mask(payload, KEY) if masked else payload)


texts = st.text(max_size=200).map(str.encode) | st.integers(0, 400).map(lambda size: b"a" * size)
text_frames = st.builds(frame, st.just(0x81), texts, bits=st.sampled_from([7, 7, 16, 64]))
other_frames = st.one_of(
    st.builds(frame, st.just(0x82), texts),
    st.builds(frame, st.sampled_from([0x89, 0x8A]), st.binary(max_size=125)),
    st.builds(lambda texts: frame(1, texts[0]) + frame(0x89, b"p") + frame(0x80, texts[1]), st.tuples(texts, texts)),
)
endings = st.sampled_from(
    [
        b"",
        frame(0x88, (1000).to_bytes(2)),
        frame(0x81, b"\xff"),
        frame(0x81, b"unmasked", masked=False),
        frame(0xC1, b"a reserved bit"),
        frame(0x83, b"an unknown opcode"),
        frame(1, b"a") + frame(0x81, b"a text inside a message"),
        frame(0x80, b"the end of no message"),
    ]
)
conversations = st.lists(text_frames | text_frames | other_frames, max_size=10)


@given(conversations, endings, st.lists(st.integers(0, 2000), max_size=8), st.lists(st.booleans(), min_size=1))
@settings(deadline=None, max_examples=100)
async def test_any_frames_in_any_parts(sent: list[bytes], end: bytes, cuts: list[int], takes: list[bool]) -> None:
    data = b"".join(sent)
    places = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    parts = [data[start:end] for start, end in itertools.pairwise(places)]
    by_the_parser = [part for each in sent for part in (each[:1], each[1:])]  # no frame arrives whole

    expected = await exchanged(by_the_parser, [False], end)
    assert expected == await exchanged(parts, takes, end)
    assert expected == await exchanged(parts, takes, end, pauses=False)


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536, 200_000])
async def test_a_frame_of_any_length_is_taken(size: int) -> None:
    text = "é" + "a" * (size - 2)

    messages, _ = await exchanged([frame(0x81, text.encode()), frame(0x81, b"next")], [True])

    assert [text, "next", "more", 1005] == messages


async def test_a_frame_that_is_not_taken_keeps_its_place() -> None:
    sent = [str(number) for number in range(10)]

    messages, _ = await exchanged([b"".join(frame(0x81, each.encode()) for each in sent)], [True, False], pauses=False)

    assert [*sent, "more", 1005] == messages


async def test_other_connections_run_between_the_frames_of_a_burst() -> None:
    count, handled = 4 * FRAMES, 0
    app, wire = App([True]), Wire()
    protocol = WebSocketProtocol(config(app), ServerState(), {}, cast("asyncio.AbstractEventLoop", Loop()))
    protocol.connection_made(wire)
    protocol.data_received(OPEN)
    await settled(50)
    protocol.data_received(frame(Opcode.TEXT | 0x80, b"{}" * 10) * count)
    steps = []
    while handled < count:
        steps.append(len(app.messages) - handled)
        handled = len(app.messages)
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    await asyncio.gather(*protocol.tasks)

    assert max(steps) <= FRAMES
    assert CloseCode.NO_STATUS_RCVD == app.messages[-1]
