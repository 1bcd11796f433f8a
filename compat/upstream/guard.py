"""The guard that every call to the service passes: a circuit breaker for each surface, metrics and traces."""

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
BUSY = 1.0  # seconds after which to ask again while another's call finds out


class Breaker:
    """Opens after so many failures in a row; after a pause it lets one call through to see.

        closed ──failures──▶ open ──pause──▶ half-open ──success──▶ closed
                              ▲                  │
                              └─────failure──────┘

    Only the service's own failures count: not a client's bad audio or key, and not a used-up rate. Time is an argument,
    in seconds.
    """

    def __init__(self, *, failures: int, pause: float) -> None:
        """Opens at so many `failures` in a row, for `pause` seconds."""
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
        """0 when a call may go; it then has to be told of by `leave`. Else the seconds until it is worth asking."""
        if self._until is None:
            return 0.0
        if now < self._until:
            return self._until - now
        if self._trying:
            return BUSY
        self._trying = True
        return 0.0

    def leave(self, now: float, outcome: BaseException | None) -> None:
        """How a call ended; what says nothing of the service, such as a caller who hung up, changes nothing."""
        trying, self._trying = self._trying, False
        if failed(outcome):
            self._failures += 1
            if trying or self._failures >= self._most:
                self._until = now + self._pause
        elif outcome is None or (isinstance(outcome, CompatError) and not isinstance(outcome, Overloaded)):
            self._failures, self._until = 0, None


def failed(outcome: BaseException | None) -> bool:
    """Whether the service itself failed."""
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
        """A surface's breaker opens at so many `failures` in a row, for `pause` seconds. `prefix`: of the surfaces'
        names in the metrics. `check` raises a CompatError while no call can be made at all. Errors call the service
        `name`."""
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
        """Around one attempt; gives the headers that tell the service whose part it is. Raises CircuitOpen in its
        place."""
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
        """Whether calls go through."""
        breaker = self._breakers.get(self._prefix + surface)
        return breaker is None or breaker.state(self._clock()) == "closed"


def surface(call: Call) -> str:
    """What a call is for, by its address: `chat`, `generation`, `transcription`, `tasks`, `uploads`; `files` for object
    stores and results."""
    if not call.key:
        return "files"
    parts = urlsplit(call.url).path.strip("/").split("/")
    if "chat" in parts:
        return "chat"
    return "tasks" if "tasks" in parts else parts[-1]
