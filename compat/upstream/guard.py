"""The guard around every call to the service: a circuit breaker per surface, metrics and traces."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from compat.dashscope_api.calls import Call
from compat.errors import CircuitOpen, CompatError
from compat.observability.metrics import Metrics
from compat.upstream.breaker import Breaker

if TYPE_CHECKING:
    from compat.observability.tracing import Traces

LIVE = "realtime"
UNTRACED: contextlib.AbstractContextManager[dict[str, str]] = contextlib.nullcontext({})


class Guard:
    def __init__(
        self,
        metrics: Metrics,
        *,
        breaker: Callable[[str], Breaker],
        prefix: str = "",
        traces: Traces | None = None,
        clock: Callable[[], float] = time.monotonic,
        check: Callable[[], None] = lambda: None,
        name: str = "DashScope",
    ) -> None:
        """`breaker` returns the breaker of a surface. `prefix` is prepended to the names of surfaces in metrics.
        `check` raises a CompatError while no call can be made at all. `name` is the service's name in errors."""
        self._name = f"{name[:1].upper()}{name[1:]}"
        self.metrics = metrics
        self._traces = traces
        self._breaker = breaker
        self._prefix = prefix
        self._clock = clock
        self._check = check
        self._breakers: dict[str, Breaker] = {}

    @contextlib.contextmanager
    def call(self, surface: str, *, first: bool = True) -> Iterator[dict[str, str]]:
        """Guard one attempt, and yield its tracing headers. Raises CircuitOpen while the breaker is open.

        `first` is false for a retry.
        """
        self._check()
        if self._prefix:
            surface = self._prefix + surface
        breaker = self._breaker_of(surface)
        wait = breaker.enter(self._clock())
        if wait:
            self.metrics.call(surface, "not_sent", first=first)
            raise CircuitOpen(f"{self._name} has failed too often lately ({surface}).", retry_after=wait)
        started, outcome = self._clock(), "cancelled"
        ended: BaseException | None = None
        try:
            with self._traces.call(surface, first=first) if self._traces else UNTRACED as headers:
                yield headers
            outcome = "ok"
        except BaseException as exc:
            ended = exc
            outcome = exc.code or "error" if isinstance(exc, CompatError) else outcome
            raise
        finally:
            breaker.leave(self._clock(), ended)
            self.metrics.breaker(surface, is_open=breaker.is_open)
            self.metrics.call(surface, outcome, first=first)
            self.metrics.stage("service", self._clock() - started)

    def closed(self, surface: str) -> bool:
        """Return whether the surface's breaker lets calls through."""
        return self._breaker_of(self._prefix + surface).state(self._clock()) == "closed"

    def _breaker_of(self, surface: str) -> Breaker:
        breaker = self._breakers.get(surface)
        if breaker is None:
            breaker = self._breakers[surface] = self._breaker(surface)
        return breaker


def surface(call: Call) -> str:
    """Return the surface of a call, from its address: `chat`, `generation`, `transcription`, `tasks`, `uploads`, or
    `files` for object stores and results."""
    return _surface(call.url) if call.key else "files"


@functools.lru_cache(256)
def _surface(url: str) -> str:
    parts = urlsplit(url).path.strip("/").split("/")
    if "chat" in parts:
        return "chat"
    return "tasks" if "tasks" in parts else parts[-1]
