"""Latency of live sessions: time to the first delta and to the final text of each turn."""

from __future__ import annotations

import time
from collections.abc import Callable

from compat.observability.metrics import Metrics
from compat.openai_api.realtime import server_events as ours


class TurnLatency:
    """Measures turns by the events that are sent to the client. The first delta is timed from the start of the turn, or
    from its commit if the client commits; the final text is timed from the commit."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._begun: dict[str, float] = {}
        self._committed: dict[str, float] = {}

    def sent(self, event: ours.ServerEvent) -> None:
        """Record an event that is sent to the client."""
        match event:
            case ours.SpeechStarted(item_id=item):
                self._begun[item] = self._clock()
            case ours.Committed(item_id=item):
                self._committed[item] = self._clock()
                self._begun.setdefault(item, self._committed[item])
            case ours.Delta(item_id=item) if item in self._begun:
                self._metrics.first_delta("live", self._clock() - self._begun.pop(item))
            case ours.Completed(item_id=item) | ours.Failed(item_id=item):
                self._begun.pop(item, None)
                committed = self._committed.pop(item, None)
                if committed is not None and isinstance(event, ours.Completed):
                    self._metrics.final("live", self._clock() - committed)
            case _:
                pass
