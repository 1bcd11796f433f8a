"""Helpers for tests of live sessions: a raw client, speech, and a server whose engine returns scripted words."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close

from compat.emulator.engine import Hypothesis
from compat.emulator.engines.scripted import Scripted
from compat.emulator.engines.tones import encode, lay
from tests.running import RunningServer, running_server

SECOND = 48_000  # bytes of pcm16 at 24 kHz
BETA = {"OpenAI-Beta": "realtime=v1"}
# Three words of the tones engine, loud enough for any voice activity detection.
SPEECH = encode(lay(["amber", "basil", "cedar"]), rate=24_000)
MANUAL = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}


def words(*turns: str) -> Scripted:
    """Return an engine that recognises these turns in any audio."""
    return Scripted(hypotheses=[[Hypothesis(turn)] for turn in turns])


@contextlib.contextmanager
def live_server(
    *turns: str,
    service_keys: tuple[str, ...] | None = None,
    **settings: Any,  # noqa: ANN401 - fields of Settings
) -> Iterator[RunningServer]:
    keys = None if service_keys is None else frozenset(service_keys)
    with running_server(words(*turns), keys=keys, **settings) as server:
        yield server


class LiveClient:
    """A client with a raw WebSocket to the server."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, kind: str, **fields: object) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def append(self, pcm: bytes, step: int = 4_800, kind: str = "input_audio_buffer.append") -> None:
        for at in range(0, len(pcm), step):
            await self.send(kind, audio=base64.b64encode(pcm[at : at + step]).decode())

    async def receive(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(await self.socket.recv())
        return event

    async def until(self, ending: str) -> list[dict[str, Any]]:
        """Return all events up to the first whose type ends with `ending`."""
        events = [await self.receive()]
        while not events[-1]["type"].endswith(ending):
            events.append(await self.receive())
        return events

    async def until_closed(self) -> tuple[list[dict[str, Any]], Close]:
        """Return the remaining events and the close frame."""
        events = []
        with contextlib.suppress(ConnectionClosed):
            while True:
                events.append(await self.receive())
        close = self.socket.protocol.close_rcvd
        assert close is not None
        return events, close

    async def turn(self, pcm: bytes = SPEECH) -> str:
        """Send a turn and commit it. Return its transcript."""
        await self.append(pcm)
        await self.send("input_audio_buffer.commit")
        transcript: str = (await self.until(".completed"))[-1]["transcript"]
        return transcript

    async def outcome(self) -> dict[str, Any]:
        """Send one turn in a new session. Return the event that ends it: its completion, its failure or an error."""
        with contextlib.suppress(ConnectionClosed):
            await self.send("session.update", session=MANUAL)
            await self.append(SPEECH)
            await self.send("input_audio_buffer.commit")
        event = await self.receive()
        while not event["type"].endswith((".completed", ".failed", "error")):
            event = await self.receive()
        return event


def verdict(ending: dict[str, Any]) -> str:
    """Return the transcript in the event that ends a turn, or its error code."""
    result: str = ending["error"]["code"] if "error" in ending else ending["transcript"]
    return result


@contextlib.asynccontextmanager
async def live_client(
    server: RunningServer,
    query: str = "intent=transcription",
    **options: Any,  # noqa: ANN401 - those of connect
) -> AsyncIterator[LiveClient]:
    address = server.base_url.replace("http", "ws", 1) + "/realtime?" + query
    async with connect(address, **{"compression": None, "proxy": None, **options}) as socket:
        yield LiveClient(socket)
