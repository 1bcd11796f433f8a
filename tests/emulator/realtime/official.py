"""Helpers for live sessions with the official `dashscope` package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dashscope.audio.qwen_omni import OmniRealtimeCallback

from tests.emulator.realtime.talk import Event
from tests.emulator.running import RunningEmulator


def address(service: RunningEmulator) -> str:
    return f"ws{service.url.removeprefix('http')}/api-ws/v1/realtime"


def pieces(audio: bytes) -> Iterator[bytes]:
    return (audio[at : at + 3_200] for at in range(0, len(audio), 3_200))


class Listening(OmniRealtimeCallback):
    """Keeps the events of a session."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, message: Any) -> None:  # noqa: ANN401
        self.events.append(message)
