"""A server and the emulator behind it, on real ports."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai

from compat.app import create_app
from compat.config.settings import Settings
from compat.emulator.app import create_app as create_emulator
from compat.emulator.engine import Engine
from compat.emulator.faults import Faults, Rule
from compat.emulator.readings import Readings
from compat.emulator.state import Emulator
from tests.counts import Counts, counted
from tests.disarming import armed
from tests.servers import serve


@dataclass(frozen=True)
class RunningServer:
    """A running server with an emulator.

    `base_url`: for clients. `service`: the emulator's address. `counts`: the emulator's requests by kind.
    """

    base_url: str
    dashscope: Emulator
    open_clients: contextlib.ExitStack
    service: str
    counts: Counts

    def client(self, api_key: str = "anything", **options: Any) -> openai.OpenAI:  # noqa: ANN401 - the SDK's own
        client = openai.OpenAI(base_url=self.base_url, api_key=api_key, **{"max_retries": 0, **options})
        return self.open_clients.enter_context(client)

    def fail(self, *rules: Rule) -> None:
        """Replace the service's faults, until the end of the test."""
        self.dashscope.faults.arm(Faults(rules))
        armed.append(lambda: self.dashscope.faults.arm(Faults()))


@contextlib.contextmanager
def running_server(
    engine: Engine,
    *,
    readings: Readings | None = None,
    keys: frozenset[str] | None = None,
    tls: tuple[Path, Path] | None = None,
    calls: Sequence[socket.socket] = (),
    **settings: Any,  # noqa: ANN401 - fields of Settings
) -> Iterator[RunningServer]:
    """Start a server and its emulator. `tls`: serve https and wss with this certificate and its key.
    `calls`: sockets for calls by WebRTC."""
    emulator = create_emulator(engine, readings=readings, keys=keys)
    counts = counted(emulator.state.emulator)
    with serve(emulator) as root:
        # The server keeps no jobs and no failures, so that tests do not affect each other.
        forgetful = {"job_retention": 0.0, "job_grace": 0.0, "breaker_failures": 1000}
        given = {"base_url": root, "dashscope_api_key": "the-server's-key", "log_level": "error"} | forgetful | settings
        with serve(create_app(Settings(**given), calls=calls), *(tls or ())) as base, contextlib.ExitStack() as clients:
            yield RunningServer(f"{base}/v1", emulator.state.emulator, clients, root, counts)
