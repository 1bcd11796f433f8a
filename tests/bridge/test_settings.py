"""A session's settings: what is sent to the service, and what is reported."""

from __future__ import annotations

from typing import Any

import pytest

from compat.bridge.settings import setup, threshold
from compat.dashscope_api.live.turns import Detection, Setup
from compat.openai_api.realtime.session import AudioFormat, Session, Vad
from tests.bridge.stage import NATIVE as MODEL
from tests.bridge.stage import NEW, SECOND, Stage, append, opened, play, ready, start, started, stopped, update


@pytest.mark.parametrize(
    ("openai", "dashscope"), [(0, -1), (0.1, -0.76), (0.25, -0.4), (0.5, 0.2), (0.75, 0.6), (0.9, 0.84), (1, 1)]
)
def test_thresholds(openai: float, dashscope: float) -> None:
    assert dashscope == threshold(openai)


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (Session(native=MODEL, turns=None), Setup(model=MODEL)),
        (Session(native=MODEL), Setup(model=MODEL, detection=Detection(0.2, 500))),
        (Session(native=MODEL, turns=None, format=AudioFormat("ulaw", 8000)), Setup(model=MODEL, rate=8000)),
        (Session(native=MODEL, turns=None, format=AudioFormat("pcm", 8000)), Setup(model=MODEL, rate=16000)),
        (Session(native=MODEL, turns=None, format=AudioFormat("opus", 16000)), Setup(model=MODEL, format="opus")),
        (
            Session(native=MODEL, turns=Vad(threshold=1, silence_duration_ms=900), language="en", prompt="p"),
            Setup(model=MODEL, language="en", context="p", detection=Detection(1.0, 900)),
        ),
    ],
)
def test_the_settings_that_are_sent_to_the_service(session: Session, expected: Setup) -> None:
    assert expected == setup(session)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"type": "server_vad"}, "vad 0.2/500"),
        ({"type": "server_vad", "threshold": 0}, "vad -1.0/500"),
        ({"type": "server_vad", "threshold": 0.25}, "vad -0.4/500"),
        ({"type": "server_vad", "threshold": 0.75}, "vad 0.6/500"),
        ({"type": "server_vad", "threshold": 1}, "vad 1.0/500"),
        ({"type": "server_vad", "silence_duration_ms": 100}, "vad 0.2/200"),
        ({"type": "server_vad", "silence_duration_ms": 9000}, "vad 0.2/6000"),
        ({"type": "semantic_vad"}, "vad 0.2/1000"),
        ({"type": "semantic_vad", "eagerness": "high"}, "vad 0.2/500"),
        ({"type": "semantic_vad", "eagerness": "low"}, "vad 0.2/4000"),
        ({"type": "server_vad", "create_response": True, "idle_timeout_ms": 6000}, "vad 0.2/500"),
        (None, "manual"),
    ],
)
def test_turn_detection(said: dict[str, Any] | None, expected: str) -> None:
    stage = Stage()
    for line in (start, update(turn_detection=said)):
        stage.step(line)

    assert stage.step(opened) == [f"> setup pcm/16000 {expected}"]


def test_prefix_padding_reaches_back_but_not_into_the_turn_before() -> None:
    play(
        ready(Stage(), turn_detection={"type": "server_vad", "prefix_padding_ms": 300}),
        [
            (append(3000), ["> audio 32000"] * 3),
            (started("t1", 200), ["< speech_started item_1 0"]),
            (stopped("t1", 1000), ["< speech_stopped item_1 1000", *NEW]),
            (started("t2", 1100), ["< speech_started item_2 1000"]),
            (stopped("t2", 1500), ["< speech_stopped item_2 1500", *SECOND]),
            (started("t3", 2500), ["< speech_started item_3 2200"]),
        ],
    )
