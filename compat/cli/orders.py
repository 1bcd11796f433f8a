"""The orders that the supervisor sends to a new worker: a line of JSON, over the socket between them."""

from __future__ import annotations

import msgspec

READY = b"ready\n"
"""The worker's answer once it accepts connections."""


class Orders(msgspec.Struct, frozen=True):
    """`listener` and `memory` are file descriptors. `settings` overrule the environment. `engine` is the name of the
    local engine and the path of its socket."""

    listener: int
    memory: int
    workers: int
    worker: int
    folder: str
    settings: dict[str, str]
    most: int
    engine: tuple[str, str] | None = None
    cert: str | None = None
    key: str | None = None
    insecure: bool = False
