"""The whole house on real ports: the server in front, the emulator behind it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
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
from tests.servers import serve


@dataclass(frozen=True)
class House:
    """`base_url` is what a client is pointed at; `dashscope` what stands behind it, at `service`, and
    `counts` how often that was asked for what."""

    base_url: str
    dashscope: Emulator
    open_clients: contextlib.ExitStack
    service: str
    counts: Counts

    def client(self, api_key: str = "anything", **options: Any) -> openai.OpenAI:  # noqa: ANN401 - the SDK's own
        client = openai.OpenAI(base_url=self.base_url, api_key=api_key, **{"max_retries": 0, **options})
        return self.open_clients.enter_context(client)

    def fail(self, *rules: Rule) -> None:
        self.dashscope.faults.arm(Faults(rules))


@contextlib.contextmanager
def house(
    engine: Engine,
    *,
    readings: Readings | None = None,
    keys: frozenset[str] | None = None,
    tls: tuple[Path, Path] | None = None,
    **settings: Any,  # noqa: ANN401 - fields of Settings
) -> Iterator[House]:
    """`tls`: serve https and wss with this certificate and its key."""
    emulator = create_emulator(engine, readings=readings, keys=keys)
    counts = counted(emulator.state.emulator)
    with serve(emulator) as root:
        # Nothing is remembered of jobs and of failures, so that no test is answered with what another one asked.
        forgetful = {"job_retention": 0.0, "job_grace": 0.0, "breaker_failures": 1000}
        given = {"base_url": root, "dashscope_api_key": "the-server's-key", "log_level": "error"} | forgetful | settings
        with serve(create_app(Settings(**given)), *(tls or ())) as base, contextlib.ExitStack() as clients:
            yield House(f"{base}/v1", emulator.state.emulator, clients, root, counts)
