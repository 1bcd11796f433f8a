"""Conversations with the state machine of a run-task socket, and abbreviations of its events."""

from __future__ import annotations

import json
from typing import Any

from compat.emulator.engine import Engine
from compat.emulator.engines.tones import Tones
from compat.emulator.inference.session import TaskSession
from compat.emulator.live_records import LiveRecord
from compat.emulator.live_settings import TaskLimits, TaskReadings
from compat.emulator.readings import Readings
from tests.emulator.realtime.talk import Event, decoded, silence, spoken

MODEL = "fun-asr-realtime"
TASK = "2bf83b9a-baeb-4fda-8d9a-000000000001"
AUDIO = spoken("amber", "basil") + silence(1_500) + spoken("cedar") + silence(1_500)


def run(task_id: object = TASK, model: str = MODEL, given: object = None, **parameters: Any) -> Event:  # noqa: ANN401
    return {
        "header": {"action": "run-task", "task_id": task_id, "streaming": "duplex"},
        "payload": {
            "task_group": "audio",
            "task": "asr",
            "function": "recognition",
            "model": model,
            "parameters": {"format": "pcm", "sample_rate": 16_000, **parameters},
            "input": {} if given is None else given,
        },
    }


def continue_task(given: object, task_id: object = TASK) -> Event:
    return {"header": {"action": "continue-task", "task_id": task_id}, "payload": {"input": given}}


def finish(task_id: object = TASK) -> Event:
    header = {"action": "finish-task", "task_id": task_id, "streaming": "duplex"}
    return {"header": header, "payload": {"input": {}}}


def pieces(audio: bytes, size: int = 3_200) -> list[bytes]:
    return [audio[at : at + size] for at in range(0, len(audio), size)]


class Dialogue:
    """A session. `say` returns the events that answer the messages."""

    def __init__(
        self,
        engine: Engine | None = None,
        limits: TaskLimits | None = None,
        **readings: Any,  # noqa: ANN401
    ) -> None:
        self.record = LiveRecord(id="sess_1", model="")
        self.session = TaskSession(
            engine or Tones(),
            self.record,
            limits=limits or TaskLimits(),
            readings=Readings(inference=TaskReadings(**readings)),
        )

    def say(self, *messages: Event | bytes) -> list[Event]:
        raw = [message if isinstance(message, bytes) else json.dumps(message) for message in messages]
        return [decoded(event) for message in raw for event in self.session.receive(message)]


def whole(
    dialogue: Dialogue,
    audio: bytes = AUDIO,
    size: int = 3_200,
    task_id: object = TASK,
    **parameters: Any,  # noqa: ANN401
) -> list[Event]:
    """Run one task from run-task to task-finished, and return its events."""
    return dialogue.say(run(task_id, **parameters), *pieces(audio, size), finish(task_id))


def names(events: list[Event]) -> list[str]:
    """Return a short name for each event: started, partial, final, heartbeat, finished or failed.

    Consecutive partial results count as one.
    """
    short = [_name(event) for event in events]
    return [name for at, name in enumerate(short) if name != "partial" or short[at - 1 : at] != ["partial"]]


def _name(event: Event) -> str:
    if event["header"]["event"] != "result-generated":
        return str(event["header"]["event"]).removeprefix("task-")
    found = sentence(event)
    if found["heartbeat"]:
        return "heartbeat"
    return "final" if found["sentence_end"] or found["end_time"] is not None else "partial"


def sentence(event: Event) -> Event:
    found: Event = event["payload"]["output"]["sentence"]
    return found


def finals(events: list[Event]) -> list[str]:
    return [sentence(event)["text"] for event in events if _name(event) == "final"]
