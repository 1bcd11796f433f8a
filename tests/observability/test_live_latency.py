"""Latency metrics of the turns sent to a client."""

from __future__ import annotations

import re

import pytest

from compat.errors import ServiceUnavailable
from compat.observability.live_latency import TurnLatency
from compat.observability.metrics import Metrics
from compat.openai_api.realtime import server_events as ours

STARTED = ours.SpeechStarted(event_id="e", audio_start_ms=0, item_id="item")
STOPPED = ours.SpeechStopped(event_id="e", audio_end_ms=0, item_id="item")
COMMITTED = ours.Committed(event_id="e", previous_item_id=None, item_id="item")
DELTA = ours.Delta(event_id="e", item_id="item", delta="It", dashscope=ours.Hint())
COMPLETED = ours.Completed(
    event_id="e", item_id="item", transcript="It was.", usage=ours.LiveUsage(1.0), dashscope=ours.Hint()
)
FAILED = ours.Failed(event_id="e", item_id="item", error=ours.Fault.of(ServiceUnavailable("Gone.")))

# events with their times; the expected seconds to the first delta, and to the final text
SENT: list[tuple[list[tuple[float, ours.ServerEvent]], list[float], list[float]]] = [
    ([(0, STARTED), (1, DELTA), (2, DELTA), (3, STOPPED), (3, COMMITTED), (5, COMPLETED)], [1], [2]),
    ([(10, COMMITTED), (11, DELTA), (14, COMPLETED)], [1], [4]),
    ([(0, STARTED), (2, COMMITTED), (3, COMPLETED)], [], [1]),
    ([(0, STARTED), (2, COMMITTED), (3, FAILED)], [], []),
    ([(0, STARTED), (1, DELTA)], [1], []),
]


@pytest.mark.parametrize(("events", "first", "final"), SENT)
def test_the_latency_of_each_turn_is_counted(
    events: list[tuple[float, ours.ServerEvent]], first: list[float], final: list[float]
) -> None:
    metrics, now = Metrics(region="custom", prices={}), [0.0]
    turns = TurnLatency(metrics, clock=lambda: now[0])
    for now[0], event in events:
        turns.sent(event)

    assert [first, final] == [counted(metrics, name) for name in ("first_delta_seconds", "final_seconds")]


def counted(metrics: Metrics, name: str) -> list[float]:
    """Return the sum of the observations in a list; an empty list if there are none."""
    match = re.search(rf'^compat_{name}_sum{{kind="live"}} (\S+)$', metrics.text().decode(), re.MULTILINE)
    return [float(match[1])] if match else []
