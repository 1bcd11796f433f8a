from __future__ import annotations

import contextlib

import pytest

from compat.dashscope_api.calls import Call
from compat.errors import CircuitOpen, ServiceFailed
from compat.observability.metrics import Metrics
from compat.upstream.breaker import Breaker
from compat.upstream.guard import Guard, surface

SURFACES = [
    ("/compatible-mode/v1/chat/completions", True, "chat"),
    ("/api/v1/services/aigc/multimodal-generation/generation", True, "generation"),
    ("/api/v1/services/audio/asr/transcription", True, "transcription"),
    ("/api/v1/tasks/1234", True, "tasks"),
    ("/api/v1/tasks/1234/cancel", True, "tasks"),
    ("/api/v1/uploads?action=getPolicy&model=m", True, "uploads"),
    ("https://store.example/private/name", False, "files"),
]


@pytest.mark.parametrize(("url", "key", "name"), SURFACES)
def test_the_surface_of_a_call_follows_from_its_address(url: str, key: bool, name: str) -> None:
    assert name == surface(Call(method="GET", url=url, key=key))


def test_each_surface_has_its_own_breaker_and_metrics() -> None:
    now = [0.0]
    metrics = Metrics(region="beijing", prices={})
    guard = Guard(metrics, breaker=lambda _: Breaker(failures=2, pause=10), clock=lambda: now[0])
    for first in (True, False):
        with contextlib.suppress(ServiceFailed), guard.call("chat", first=first):
            raise ServiceFailed("no")

    with pytest.raises(CircuitOpen) as caught, guard.call("chat"):
        raise AssertionError
    with guard.call("tasks"):
        now[0] = 3.0

    assert (10.0, False, True) == (caught.value.retry_after, guard.closed("chat"), guard.closed("tasks"))
    text = metrics.text().decode()
    assert 'compat_service_calls_total{outcome="upstream_error",surface="chat"} 2.0' in text
    assert 'compat_service_calls_total{outcome="not_sent",surface="chat"} 1.0' in text
    assert 'compat_service_retries_total{surface="chat"} 1.0' in text
    assert 'compat_breaker_open{surface="chat"} 1.0' in text
    assert 'compat_stage_seconds_sum{stage="service"} 3.0' in text

    now[0] = 10.0
    with guard.call("chat"):
        pass
    assert 'compat_breaker_open{surface="chat"} 0.0' in metrics.text().decode()
