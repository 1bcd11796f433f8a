from __future__ import annotations

import pytest

from compat.bridge.setup import setup, threshold
from compat.dashscope_api.realtime.turns import Detection, Setup
from compat.openai_api.realtime.session import AudioFormat, Session, Vad


@pytest.mark.parametrize(
    ("openai", "dashscope"), [(0, -1), (0.1, -0.76), (0.25, -0.4), (0.5, 0.2), (0.75, 0.6), (0.9, 0.84), (1, 1)]
)
def test_thresholds(openai: float, dashscope: float) -> None:
    assert dashscope == threshold(openai)


@pytest.mark.parametrize(
    ("session", "told"),
    [
        (Session(native="m", turns=None), Setup(model="m")),
        (Session(native="m"), Setup(model="m", detection=Detection(0.2, 500))),
        (Session(native="m", turns=None, format=AudioFormat("ulaw", 8000)), Setup(model="m", rate=8000)),
        (Session(native="m", turns=None, format=AudioFormat("pcm", 8000)), Setup(model="m", rate=16000)),
        (Session(native="m", turns=None, format=AudioFormat("opus", 16000)), Setup(model="m", format="opus")),
        (
            Session(native="m", turns=Vad(threshold=1, silence_duration_ms=900), language="en", prompt="p"),
            Setup(model="m", language="en", context="p", detection=Detection(1.0, 900)),
        ),
    ],
)
def test_what_the_service_is_told(session: Session, told: Setup) -> None:
    assert told == setup(session)
