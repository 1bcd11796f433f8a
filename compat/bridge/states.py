"""The states of the connection to the service: see compat.bridge.link."""

from __future__ import annotations

from enum import Enum


class LinkState(Enum):
    CLOSED = "closed"
    WAITING = "waiting"
    OPENING = "opening"
    READY = "ready"
    OPEN = "open"
    FINISHING = "finishing"


CONNECTED = (LinkState.OPENING, LinkState.READY, LinkState.OPEN, LinkState.FINISHING)
