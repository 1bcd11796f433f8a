"""Frames that a live session takes as they are parsed: their order, pauses, long appends and bugs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.frames import Frame, Opcode

from compat.bridge import Bridge
from compat.config.keys import KeyEntry
from compat.config.principal import Party, Principal
from compat.endpoints.errands import Errands
from compat.endpoints.live_session import SOUND, Bounds, LiveSession
from compat.endpoints.transport import Disconnected
from compat.jobs.opening import open_store
from compat.openai_api.realtime.opening import Opening
from compat.openai_api.realtime.server_events import Error, ServerEvent
from compat.spending.accounting import Accounting
from compat.spending.allowance import STEP, Allowance
from compat.upstream.shares import Holding, Shares
from compat.upstream.sockets import Sockets
from tests.endpoints.live import live_server
from tests.polling import settled
from tests.server.test_websocket import WHOLE as HANDSHAKE

OTHERS = Party("others")


class Client:
    """A client's transport in memory: frames that are not taken at once go to `queue`."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str | None] = asyncio.Queue()
        self.events: list[dict[str, Any]] = []
        self._wrote = asyncio.Event()
        self.figures: dict[str, object] = {}
        self.unheard = 0.0
        self.reads = asyncio.Event()
        """Whether it reads: otherwise writes wait."""
        self.reads.set()
        self.code: int | None = None

    async def read(self) -> str:
        frame = await self.queue.get()
        if frame is None:
            raise Disconnected(1000)
        return frame

    def write_now(self, texts: Sequence[str]) -> bool:  # noqa: ARG002 - leaves them to `write`
        return False

    async def write(self, text: str) -> None:
        await self.reads.wait()
        self.events.append(json.loads(text))
        self._wrote.set()

    def play(self, pcm: bytes) -> None:
        """These sessions have no voice."""

    async def close(self, code: int, reason: str) -> None:  # noqa: ARG002 - only the code is of interest
        self.code = code

    async def answered(self, count: int) -> None:
        while len(self.asked) < count:
            self._wrote.clear()
            await self._wrote.wait()

    @property
    def asked(self) -> list[str]:
        """The numbers of the questions that were answered."""
        return [event["error"]["message"].split("'")[1] for event in self.events if event["type"] == "error"]


def question(number: int, padding: int = 0) -> str:
    """An event that gets an error with this number."""
    return json.dumps({"type": "conversation.item.retrieve", "item_id": str(number), "padding": "x" * padding})


def append(audio: bytes) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()})


@contextlib.asynccontextmanager
async def running(
    bounds: Bounds | None = None,
    memory: Shares | None = None,
    on_event: Callable[[ServerEvent], object] = lambda _: None,
    listening: socket.socket | None = None,
    allowance: Allowance | None = None,
) -> AsyncIterator[tuple[LiveSession, Client, asyncio.Task[None]]]:
    """A session whose service accepts connections and never answers."""
    with contextlib.closing(listening or socket.create_server(("127.0.0.1", 0))) as listening:
        service = Sockets(f"ws://127.0.0.1:{listening.getsockname()[1]}", connect_timeout=60)
        ids = itertools.count(1)
        bridge = Bridge(
            Opening(),
            resolve=lambda _: "qwen3-asr-flash-realtime",
            ids=lambda kind: f"{kind}_{next(ids)}",
            expires_at=0,
            on_event=on_event,
        )
        client = Client()
        session = LiveSession(
            bridge, client, service, Principal(key="k"), Errands(_fits, _translated), bounds, memory, allowance
        )
        task = asyncio.create_task(session.run())
        await settled()
        yield session, client, task
        client.queue.put_nowait(None)
        with contextlib.suppress(ExceptionGroup):
            await task


async def _fits(*_: object) -> None:
    """Accept any stored vocabulary."""


async def _translated(text: str, *_: object) -> str:
    return text


async def test_the_allowance_of_a_call_is_extended_before_its_track_needs_it() -> None:
    """A track cannot be made to wait, unlike a client's frames."""
    store = open_store(None)
    alice = Principal("k", entry=KeyEntry(name="alice", digest=b"", daily=80))
    allowance = Allowance(Accounting(store.ledger()), alice)
    await allowance.open()
    heard = 0.0
    async with running(allowance=allowance) as (session, client, _):
        while heard < 2.5 * STEP:
            session.take_sound(bytes(960))
            heard += 0.02
            for _ in range(100_000):
                if allowance.granted > heard + 0.1:
                    break
                await asyncio.sleep(0)
        assert "error" not in [event["type"] for event in client.events]
        assert 80 == allowance.granted
    await store.close()


async def test_frames_are_handled_at_once() -> None:
    async with running() as (session, client, _):
        assert [True] * 3 == [session.take(question(number)) for number in range(3)]
        await settled()

        assert ["0", "1", "2"] == client.asked


async def test_a_frame_is_not_taken_before_one_that_was_read() -> None:
    async with running() as (session, client, _):
        client.queue.put_nowait(question(0))
        await settled()
        assert session.take(question(1))
        await settled()

        assert ["0", "1"] == client.asked


async def test_reading_stops_in_the_middle_of_a_burst() -> None:
    memory = Shares(8 * SOUND)
    others = Holding(memory, SOUND, OTHERS)
    listening = socket.create_server(("127.0.0.1", 0))
    async with running(Bounds(eager=0), memory, listening=listening) as (session, client, _):
        assert others.fits(6 * SOUND)  # memory is scarce from here on, so audio that waits stops the reading
        taken = [session.take(frame) for frame in (question(0), append(bytes(4_800)), question(1), question(2))]
        for number in (1, 2):
            client.queue.put_nowait(question(number))
        await settled()
        before = client.asked
        others.fits(0)
        listening.close()  # the service is gone; any event of the session looks at the memory again
        await client.answered(3)
        assert session.take(question(3))
        await settled()

    assert [True, True, False, False] == taken
    assert ["0"] == before
    assert ["0", "1", "2", "3"] == client.asked


async def test_no_frame_is_taken_before_the_rest_of_a_long_append() -> None:
    ogg = {"session": {"audio": {"input": {"format": {"type": "audio/opus"}}}}}
    async with running() as (session, client, _):
        assert session.take(json.dumps({"type": "session.update", **ogg}))
        assert session.take(append(b"OggS" + bytes(40_000)))
        assert not session.take(question(0))
        client.queue.put_nowait(question(0))
        await settled()
        assert session.take(question(1))
        await settled()

        assert ["0", "1"] == client.asked


async def test_an_exception_ends_the_session() -> None:
    def broken(event: ServerEvent) -> None:
        if isinstance(event, Error):
            raise ZeroDivisionError

    async with running(on_event=broken) as (session, _, task):
        assert session.take(question(0))
        assert not session.take(question(1))
        with pytest.raises(ExceptionGroup) as raised:
            await task

    assert [ZeroDivisionError] == [type(each) for each in raised.value.exceptions]


async def test_nothing_is_taken_after_the_end() -> None:
    async with running() as (session, client, task):
        client.queue.put_nowait(None)
        await task

        assert not session.take(question(0))


def test_short_and_long_frames_of_a_burst_are_answered_in_order() -> None:
    count, paddings = 200, itertools.cycle([0, 0, 300, 70_000, 0])
    frames = [Frame(Opcode.TEXT, question(number, next(paddings)).encode()) for number in range(count)]
    with (
        live_server("hello there") as server,
        socket.create_connection(("127.0.0.1", urlsplit(server.base_url).port or 0), timeout=20) as client,
    ):
        client.sendall(b"\r\n".join([b"GET /v1/realtime HTTP/1.1", *HANDSHAKE, b"", b""]))
        client.sendall(b"".join(frame.serialize(mask=True) for frame in frames))
        received = b""
        while f"'{count - 1}'".encode() not in received:
            received += (part := client.recv(65_536))
            assert part, received[-200:]

    places = [received.index(f"'{number}'".encode()) for number in range(count)]
    assert sorted(places) == places


@pytest.mark.parametrize(("unheard", "code"), [(0.0, 1008), (60.0, None)])
async def test_a_write_may_take_as_long_as_the_voice_before_it(unheard: float, code: int | None) -> None:
    async with running(Bounds(unread=0.05)) as (session, client, task):
        client.unheard = unheard
        client.reads.clear()
        session.take(question(1))
        await asyncio.wait([task], timeout=0.2)
        assert (client.code, task.done()) == (code, code is not None)
        client.reads.set()
        if code is None:
            await client.answered(1)
