"""Conversations with the bridge over the run-task protocol: see tests.bridge.stage.

> run …        a task begins, with the parameters that differ from the usual ones      > finish    finish-task
> context …    continue-task                                                           > audio …   a binary frame
"""

from __future__ import annotations

import json
from typing import Any

from compat.bridge.actions import Action, OpenUpstream, ToUpstream
from compat.bridge.limits import SessionLimits
from tests.bridge.stage import NEW, NO_PADDING, PCM_16K, Stage, Step, append, opened, start, update
from tests.bridge.tasks import TaskWire

MODEL = "fun-asr-realtime"
USUAL = {"format": "pcm", "sample_rate": 16000, "heartbeat": True}
RUN, RUN_BY_HAND = "> run max_sentence_silence=500", "> run max_sentence_silence=6000"
SAID = [
    "< speech_started item_1 100",
    "< speech_stopped item_1 900",
    *NEW,
    "< delta item_1 'Hi.'",
    "< completed item_1 'Hi.' 1.0",
]


class TaskStage(Stage):
    """`wire` checks what is sent, and `task` is the id of the current task."""

    def __init__(self, model: str = MODEL, limits: SessionLimits | None = None, *, drain: bool = True) -> None:
        super().__init__(limits=limits, drain=drain, preferred=model)
        self.wire = TaskWire()

    @property
    def task(self) -> str:
        return self.wire.task

    def _line(self, action: Action) -> list[str]:
        match action:
            case OpenUpstream(model) if "qwen3" not in model:
                self.wire = TaskWire()
                return ["open" if model == MODEL else f"open {model}"]
            case ToUpstream(frame=bytes() as frame):
                self.wire.sent(frame)
                self.sound += frame
                return [f"> audio {len(frame)}"]
            case ToUpstream(frame=str() as frame) if '"action"' in frame:
                self.wire.sent(frame)
                return [f"> {self._action(json.loads(frame))}"]
            case _:
                return super()._line(action)

    def _action(self, event: dict[str, Any]) -> str:
        self.upward.append(event)
        parts = [message["content"][0]["text"] for message in event["payload"]["input"].get("context", [])]
        said = [repr(" ".join(parts))] if parts else []
        match event["header"]["action"]:
            case "run-task":
                given = event["payload"]["parameters"]
                settings = [f"{name}={value}" for name, value in sorted(given.items()) if USUAL.get(name) != value]
                return " ".join(["run", *settings, *said])
            case "continue-task":
                return " ".join(["context", *said])
            case action:
                return str(action).removesuffix("-task")


def tell(kind: str, payload: object = None, **header: object) -> Step:
    """The service reports an event of the current task."""

    def say(stage: Stage) -> list[Action]:
        assert isinstance(stage, TaskStage)
        frame = json.dumps({"header": {"task_id": stage.task, "event": kind, **header}, "payload": payload or {}})
        stage.wire.received(frame)
        return stage.bridge.from_upstream(frame, stage.now)

    return say


def result(number: int, text: str, begin: int, end: int | None = None, usage: object = None, **more: object) -> Step:
    """A result of a sentence, the final one if it has an end."""
    sentence = {"sentence_id": number, "text": text, "begin_time": begin, "end_time": end, **more}
    return tell("result-generated", {"output": {"sentence": sentence}, "usage": usage})


def task_failed(code: str, message: str = "no") -> Step:
    return tell("task-failed", error_code=code, error_message=message)


task_started = tell("task-started")
task_finished = tell("task-finished")
heartbeat = result(0, "", 0, heartbeat=True)


def prepared(stage: TaskStage, **audio_input: object) -> TaskStage:
    """Configure and connect a session."""
    for step in (start, update(**{"format": PCM_16K, **audio_input}), opened):
        stage.step(step)
    return stage


def detecting(model: str = MODEL, limits: SessionLimits | None = None, **audio_input: object) -> TaskStage:
    """A connected session in which the service detects turns."""
    return prepared(TaskStage(model, limits), **{"turn_detection": NO_PADDING, **audio_input})


def by_hand(model: str = MODEL, limits: SessionLimits | None = None, **audio_input: object) -> TaskStage:
    """A connected session in which the client ends its turns."""
    return prepared(TaskStage(model, limits), **{"turn_detection": None, **audio_input})


def begun(stage: TaskStage, ms: int = 1000) -> TaskStage:
    """Append audio, and begin a task with it."""
    for step in (append(ms), task_started):
        stage.step(step)
    return stage
