"""How long live callers wait for words: from what they were told last to what they waited for."""

from __future__ import annotations

import time
from collections.abc import Callable

from compat.observability.metrics import Metrics
from compat.openai_api.realtime import server_events as ours


class TurnLatency:
    """The first delta of a turn is waited for from its beginning, or from its commit where the caller commits; its
    final text from its commit."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._begun: dict[str, float] = {}
        self._committed: dict[str, float] = {}

    def told(self, event: ours.ServerEvent) -> None:
        """An event is on its way to the caller."""
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
