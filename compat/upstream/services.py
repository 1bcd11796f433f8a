"""The services of a server: DashScope's accounts, or the engine that replaces them, over HTTP and WebSocket."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from compat.catalogue import rates
from compat.config.settings import Settings
from compat.observability.metrics import Metrics
from compat.upstream.budget import Budget
from compat.upstream.fallback import Fallback, LiveFallback
from compat.upstream.guard import Guard
from compat.upstream.http import Service
from compat.upstream.lag import LoopLag
from compat.upstream.sockets import LIVE_SERVICE, Sockets
from compat.upstream.state import CommonState

if TYPE_CHECKING:
    from compat.observability.tracing import Traces


@dataclasses.dataclass(frozen=True)
class Provider:
    """What answers calls. `name` and `live_name` are its names in errors.

    An engine that replaces DashScope has a Unix `socket`, and `check` raises a CompatError while it cannot work.
    """

    name: str = "DashScope"
    live_name: str = LIVE_SERVICE
    socket: str | None = None
    check: Callable[[], None] = lambda: None


class Services:
    """The services, which share one budget.

    `http` and `live` fall back to the second account, if there is one. `accounts` are the HTTP services of all accounts
    with the server's own keys.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        state: CommonState,
        traces: Traces | None,
        first: Provider,
        redis: str | None,
    ) -> None:
        """Servers with the same `redis` share their rate limits there."""
        self._settings = settings
        self._metrics = metrics
        self._state = state
        self._traces = traces
        self.lag = LoopLag()
        self.budget = self._budget(redis)
        guard = self._guard(first)
        service = self._service(settings.root, first, guard)
        sockets = self._sockets(settings.live_root, first, guard)
        self.http: Service | Fallback = service
        self.live: Sockets | LiveFallback = sockets
        self.accounts = [(service, settings.dashscope_api_key or "")]
        if settings.fallback_root and settings.fallback_live_root and settings.fallback_api_key:
            key, second = settings.fallback_api_key, Provider()
            guard = self._guard(second, prefix="fallback-")
            spare = self._service(settings.fallback_root, second, guard)
            self.accounts.append((spare, key))
            self.http = Fallback(service, spare, key)
            self.live = LiveFallback(sockets, self._sockets(settings.fallback_live_root, second, guard), key)

    def _budget(self, redis: str | None) -> Budget:
        settings = self._settings
        return Budget(
            redis=redis,
            own={name: rates.parse(text) for name, text in (settings.rates or {}).items()},
            published=settings.short_region != "custom" and settings.rates is not None,
            patience=settings.queue_wait,
            concurrency=settings.concurrency,
            on_wait=partial(self._metrics.stage, "queue"),
            state=self._state,
        )

    def _guard(self, provider: Provider, prefix: str = "") -> Guard:
        settings = self._settings
        breaker = partial(self._state.breaker, failures=settings.breaker_failures, pause=settings.breaker_pause)
        return Guard(
            self._metrics, breaker=breaker, prefix=prefix, traces=self._traces, check=provider.check, name=provider.name
        )

    def _service(self, root: str, provider: Provider, guard: Guard) -> Service:
        settings = self._settings
        return Service(
            root,
            connect_timeout=settings.connect_timeout,
            answer_timeout=settings.answer_timeout,
            attempts=settings.attempts,
            budget=self.budget,
            guard=guard,
            lag=self.lag,
            name=provider.name,
            socket=provider.socket,
        )

    def _sockets(self, root: str, provider: Provider, guard: Guard) -> Sockets:
        return Sockets(
            root,
            connect_timeout=self._settings.connect_timeout,
            budget=self.budget,
            guard=guard,
            lag=self.lag,
            name=provider.live_name,
            socket=provider.socket,
        )
