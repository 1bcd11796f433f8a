"""The guard around every call to the service: a circuit breaker per surface, metrics and traces."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from compat.dashscope_api.calls import Call
from compat.errors import (
    CircuitOpen,
    CompatError,
    FileNotFetched,
    Overloaded,
    ServiceFailed,
    ServiceTimedOut,
    ServiceUnavailable,
)
from compat.observability.metrics import Metrics

if TYPE_CHECKING:
    from compat.observability.tracing import Traces

State = Literal["closed", "open", "half-open"]
BUSY = 1.0  # `retry_after` in seconds while another call probes the service


class Breaker:
    """A circuit breaker. It opens after several failures in a row; after a pause one call probes the service.

        closed ──failures──▶ open ──pause──▶ half-open ──success──▶ closed
                              ▲                  │
                              └─────failure──────┘

    Only failures of the service count, not bad audio, a wrong key or an exceeded rate. Times are arguments, in seconds.
    """

    def __init__(self, *, failures: int, pause: float) -> None:
        """Open for `pause` seconds after `failures` in a row."""
        self._most = failures
        self._pause = pause
        self._failures = 0
        self._until: float | None = None
        self._trying = False

    def state(self, now: float) -> State:
        if self._until is None:
            return "closed"
        return "open" if now < self._until else "half-open"

    def enter(self, now: float) -> float:
        """Return 0 if a call may proceed; the caller then has to report its outcome to `leave`. Otherwise return the
        seconds until a retry makes sense."""
        if self._until is None:
            return 0.0
        if now < self._until:
            return self._until - now
        if self._trying:
            return BUSY
        self._trying = True
        return 0.0

    def leave(self, now: float, outcome: BaseException | None) -> None:
        """Record the outcome of a call. An outcome that says nothing about the service, such as a cancellation, does
        not count."""
        trying, self._trying = self._trying, False
        if failed(outcome):
            self._failures += 1
            if trying or self._failures >= self._most:
                self._until = now + self._pause
        elif outcome is None or (isinstance(outcome, CompatError) and not isinstance(outcome, Overloaded)):
            self._failures, self._until = 0, None


def failed(outcome: BaseException | None) -> bool:
    """Return whether the outcome is a failure of the service."""
    broken = isinstance(outcome, ServiceFailed | ServiceUnavailable | ServiceTimedOut)
    return broken and not isinstance(outcome, FileNotFetched | Overloaded)


LIVE = "realtime"
UNTRACED: contextlib.AbstractContextManager[dict[str, str]] = contextlib.nullcontext({})


class Guard:
    def __init__(
        self,
        metrics: Metrics,
        *,
        failures: int,
        pause: float,
        prefix: str = "",
        traces: Traces | None = None,
        clock: Callable[[], float] = time.monotonic,
        check: Callable[[], None] = lambda: None,
        name: str = "DashScope",
    ) -> None:
        """`failures` and `pause` configure the breakers. `prefix` is prepended to the names of surfaces in metrics.
        `check` raises a CompatError while no call can be made at all. `name` is the service's name in errors."""
        self._name = f"{name[:1].upper()}{name[1:]}"
        self.metrics = metrics
        self._traces = traces
        self._failures = failures
        self._pause = pause
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
        breaker = self._breakers.setdefault(surface, Breaker(failures=self._failures, pause=self._pause))
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
            self.metrics.breaker(surface, is_open=breaker.state(self._clock()) != "closed")
            self.metrics.call(surface, outcome, first=first)
            self.metrics.stage("service", self._clock() - started)

    def closed(self, surface: str) -> bool:
        """Return whether the surface's breaker lets calls through."""
        breaker = self._breakers.get(self._prefix + surface)
        return breaker is None or breaker.state(self._clock()) == "closed"


def surface(call: Call) -> str:
    """Return the surface of a call, from its address: `chat`, `generation`, `transcription`, `tasks`, `uploads`, or
    `files` for object stores and results."""
    if not call.key:
        return "files"
    parts = urlsplit(call.url).path.strip("/").split("/")
    if "chat" in parts:
        return "chat"
    return "tasks" if "tasks" in parts else parts[-1]
