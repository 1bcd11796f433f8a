"""A TCP relay between the server and the service whose connections can be cut on demand."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from compat.app import create_app
from compat.config.settings import Settings
from compat.emulator.app import create_app as create_emulator
from compat.emulator.engine import Engine
from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from tests.servers import serve

SPEAKING = 20_000  # bytes: more than the upgrade and the configuration, so audio has been sent


class Wire:
    """Relays TCP to `service`. `cut` aborts the open connection without a close frame, or else the next one as soon as
    it carries audio."""

    def __init__(self, service: str) -> None:
        self._port = urlsplit(service).port
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._owed = self._in_a_row = 0
        self.address = ""
        self.broken = 0
        # Cuts without a completed turn: the server waits twice as long after each, and gives up after eight.
        self.most_in_a_row = 3

    def run(self, ready: threading.Event) -> None:
        async def listen() -> None:
            server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
            self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            ready.set()

        listening = self._loop.create_task(listen())
        self._loop.run_forever()
        listening.cancel()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._cut)

    def heard(self) -> None:
        """Note that the client has received a turn. The relay cannot tell, because a cut discards unread bytes."""
        self._loop.call_soon_threadsafe(self._heard)

    def _cut(self) -> None:
        self._owed += 1
        self._settle()

    def _heard(self) -> None:
        self._in_a_row = 0
        self._settle()

    def _settle(self) -> None:
        if self._open and self._owed and self._in_a_row < self.most_in_a_row:
            self._owed -= 1
            self._in_a_row += 1
            self.broken += 1
            for writer in self._open:
                writer.transport.abort()
            self._open.clear()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
            both = {writer, up_writer}
            await asyncio.gather(self._pass_up(reader, up_writer, both), self._pass_down(up_reader, writer))
            self._open -= both

    async def _pass_up(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, both: set[asyncio.StreamWriter]
    ) -> None:
        """Relay data to the service; `both` ends can be cut once audio passes."""
        passed = 0
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 14):
                writer.write(data)
                await writer.drain()
                if passed < SPEAKING <= passed + len(data):
                    self._open |= both
                    self._settle()
                passed += len(data)
        writer.close()

    async def _pass_down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 14):
                writer.write(data)
                await writer.drain()
        writer.close()


class Breaks:
    """Paces the frames, at `pace` times real time, and cuts the wire at random times."""

    def __init__(self, wire: Wire, count: int, length_ms: int, pace: float, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - reproducible
        self._times = sorted(chance.randrange(300, length_ms) for _ in range(count))
        self.wire = wire
        self._pace = pace
        self._begun: float | None = None

    async def reach(self, now_ms: int) -> None:
        """Wait until the frame that begins at this time may be sent."""
        loop = asyncio.get_running_loop()
        self._begun = self._begun or loop.time()
        await asyncio.sleep(self._begun + now_ms / 1000 / self._pace - loop.time())
        while self._times and now_ms >= self._times[0]:
            self._times.pop(0)
            self.wire.cut()


@contextlib.contextmanager
def cut_house(
    engine: Engine,
    readings: Readings | None = None,
    limits: Limits | None = None,
    calls: Sequence[socket.socket] = (),
    cors_origins: tuple[str, ...] = (),
) -> Iterator[tuple[str, Wire]]:
    """Run a server whose connections to the service can be cut; yields its base URL and the wire."""
    with serve(create_emulator(engine, readings=readings, limits=limits)) as service:
        wire, ready = Wire(service), threading.Event()
        thread = threading.Thread(target=wire.run, args=[ready], daemon=True)
        thread.start()
        ready.wait()
        settings = Settings(base_url=wire.address, dashscope_api_key="k", log_level="error", cors_origins=cors_origins)
        with serve(create_app(settings, calls=calls)) as root:
            yield f"{root}/v1", wire
        wire.stop()
        thread.join()
