"""Messages to and events from the emulator's live sockets, for the tests of both protocols."""

from __future__ import annotations

import json

from websockets.exceptions import ConnectionClosed
from websockets.sync.connection import Connection

from tests.emulator.realtime.talk import Event


def say(socket: Connection, *messages: Event | bytes) -> None:
    for message in messages:
        socket.send(message if isinstance(message, bytes) else json.dumps(message))


def remaining(socket: Connection) -> tuple[list[Event], ConnectionClosed]:
    """Return the remaining events, and the exception that ends them."""
    events: list[Event] = []
    try:
        while True:
            events.append(json.loads(socket.recv(timeout=30)))
    except ConnectionClosed as closed:
        return events, closed
