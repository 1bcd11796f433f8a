"""A server with two workers, and connections to each of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import openai

from compat.emulator.state import Emulator
from tests.counts import Counts
from tests.polling import until
from tests.processes import Server


@dataclass(frozen=True)
class Workers:
    """`server` has two workers in front of `dashscope`."""

    server: Server
    dashscope: Emulator
    counts: Counts

    @property
    def pids(self) -> list[int]:
        """The processes of the workers. There is no local engine."""
        return children(self.server.process.pid)

    def worker(self, request_id: str) -> int:
        """Return the number of the worker that logged this request."""
        found: list[int] = []

        def look() -> bool:
            found.extend(line["worker"] for line in self.log() if line.get("request_id") == request_id)
            return bool(found)

        until(look)
        return found[0]

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in list(self.server.printed) if line.startswith("{")]

    @contextlib.contextmanager
    def one_client_each(self, api_key: str = "any") -> Iterator[list[openai.OpenAI]]:
        """Yield clients with one connection each, to the first and to the second worker."""
        with contextlib.ExitStack() as stack:
            found: dict[int, openai.OpenAI] = {}
            while len(found) < 2:
                limits = httpx2.Limits(max_connections=1)
                http = stack.enter_context(httpx2.Client(limits=limits, timeout=60))
                client = openai.OpenAI(base_url=self.server.base_url, api_key=api_key, max_retries=0, http_client=http)
                answer = client.models.with_raw_response.list()
                found.setdefault(self.worker(answer.headers["x-request-id"]), client)
            yield [found[number] for number in sorted(found)]

    def metrics(self, client: openai.OpenAI) -> str:
        """Return /metrics, as the worker of this client's connection answers it."""
        return self.bare(client).get("/metrics", cast_to=str)

    def bare(self, client: openai.OpenAI) -> openai.OpenAI:
        """Return a client for paths without /v1, with the same connection."""
        return client.with_options(base_url=self.server.base_url.removesuffix("/v1"))

    def figure(self, name: str, client: openai.OpenAI) -> float:
        """Return a metric without labels."""
        lines = dict(line.rsplit(" ", 1) for line in self.metrics(client).splitlines() if not line.startswith("#"))
        return float(lines[f"compat_{name}"])


def children(pid: int) -> list[int]:
    return sorted(
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    )
