"""Turns as they are told to a caller, and what the metrics make of them."""

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

# what is told, and when; the seconds until the first delta and those until the final text
TOLD: list[tuple[list[tuple[float, ours.ServerEvent]], list[float], list[float]]] = [
    ([(0, STARTED), (1, DELTA), (2, DELTA), (3, STOPPED), (3, COMMITTED), (5, COMPLETED)], [1], [2]),
    ([(10, COMMITTED), (11, DELTA), (14, COMPLETED)], [1], [4]),
    ([(0, STARTED), (2, COMMITTED), (3, COMPLETED)], [], [1]),
    ([(0, STARTED), (2, COMMITTED), (3, FAILED)], [], []),
    ([(0, STARTED), (1, DELTA)], [1], []),
]


@pytest.mark.parametrize(("events", "first", "final"), TOLD)
def test_a_caller_s_waits_are_counted(
    events: list[tuple[float, ours.ServerEvent]], first: list[float], final: list[float]
) -> None:
    metrics, now = Metrics(region="custom", prices={}), [0.0]
    turns = TurnLatency(metrics, clock=lambda: now[0])
    for now[0], event in events:
        turns.told(event)

    assert [first, final] == [counted(metrics, name) for name in ("first_delta_seconds", "final_seconds")]


def counted(metrics: Metrics, name: str) -> list[float]:
    """The sum of what was observed, where something was."""
    found = re.search(rf'^compat_{name}_sum{{kind="live"}} (\S+)$', metrics.text().decode(), re.MULTILINE)
    return [float(found[1])] if found else []
