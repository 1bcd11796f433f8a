"""The emulator reads messages ahead of the engine, within a bound, and stops the engine when the client disconnects."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from compat.emulator.app import create_app
from compat.emulator.engine import NO_HINTS, Hints, Hypothesis, Listener, Sentence, Word
from compat.emulator.live_endpoint import PATH
from compat.emulator.realtime.connection import AHEAD
from tests.emulator.live_sockets import say
from tests.emulator.realtime.talk import COMMIT, MANUAL, MODEL, Event, appended, frames, silence
from tests.emulator.realtime.test_endpoint import connected, receive
from tests.emulator.running import Start
from tests.polling import until

ALL = 100  # messages
UPDATE: Event = {"type": "session.update", "session": MANUAL}


class CountingEngine:
    """An engine whose listeners do no more than call `hears` for each piece of sound."""

    def __init__(self, hears: Callable[[bytes], object], *, blocking: bool) -> None:
        self._hears = hears
        self.blocking = blocking

    def recognise(
        self,
        sound: Iterable[bytes],
        *,
        speakers: bool = False,
        hints: Hints = NO_HINTS,
    ) -> Iterator[Sentence]:
        raise NotImplementedError

    def listen(self, hints: Hints = NO_HINTS) -> Listener:  # noqa: ARG002 - not used here
        return self

    def feed(self, pcm: bytes, *, partial: bool = True) -> Hypothesis | None:
        assert not partial  # a manual turn has no partial results before its end
        self._hears(pcm)
        return None

    def finish(self) -> Hypothesis:
        return Hypothesis("")

    def words(self) -> tuple[Word, ...]:
        return ()


def test_the_engine_stops_when_the_client_disconnects(start: Start) -> None:
    heard: list[bytes] = []
    begun, goes_on = threading.Event(), threading.Event()

    def hears(pcm: bytes) -> None:
        heard.append(pcm)
        begun.set()
        assert goes_on.wait(60)

    service = start(engine=CountingEngine(hears, blocking=True))
    with connected(service) as socket:
        say(socket, UPDATE)
        receive(socket, "updated")
        say(socket, *frames(silence(ALL * 100)), COMMIT)
        assert begun.wait(60)
    [record] = service.emulator.live.sessions
    until(lambda: record.closed is not None, 30.0)
    goes_on.set()
    until(lambda: not service.emulator.live.open, 30.0)

    assert [1000, 1] == [record.closed, len(heard)]


async def test_messages_read_ahead_are_bounded() -> None:
    size = AHEAD // 10
    append = json.dumps(appended(bytes(size // 4 * 3)))
    backlogs: list[int] = []
    read = 0

    def hears(_: bytes) -> None:
        backlogs.append(read * len(append) - app.state.emulator.live.sessions[0].frames * len(append))

    async def receive() -> dict[str, Any]:
        nonlocal read
        if not opening:
            read += 1
            return {"type": "websocket.receive", "text": append} if read <= ALL else {"type": "websocket.disconnect"}
        return opening.pop()

    async def send(_: Any) -> None:  # noqa: ANN401 - an ASGI message
        pass

    opening: list[dict[str, Any]] = [
        {"type": "websocket.receive", "text": json.dumps(UPDATE)},
        {"type": "websocket.connect"},
    ]
    app = create_app(CountingEngine(hears, blocking=False))
    scope = {
        "type": "websocket",
        "path": PATH,
        "query_string": f"model={MODEL}".encode(),
        "headers": [(b"host", b"localhost"), (b"authorization", b"Bearer k")],
        "scheme": "ws",
        "subprotocols": [],
    }
    await app(scope, receive, send)

    assert AHEAD // 2 < max(backlogs) <= AHEAD + 2 * len(append)
