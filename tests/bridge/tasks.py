"""A simulated service of the run-task protocol, which checks the protocol's rules for clients."""

from __future__ import annotations

import json
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from compat.catalogue import live
from tests.bridge.service import RATE, WORD_MS, Service, heard, word

DIALECTS = ("realtime", "run-task")
FRAME_BYTES = 16_000
IDLE_SECONDS = 23.0
SILENCE_SECONDS = 60
DEFAULT_SILENCE_MS = 1300


class TaskWire:
    """What was sent and received on one connection. Each method checks that the protocol allows it at that point."""

    def __init__(self) -> None:
        self.state = "no task"
        self.task = ""
        self.tasks: list[str] = []
        self.idle = 0.0

    def sent(self, frame: str | bytes) -> None:
        self.idle = 0.0
        if isinstance(frame, bytes):
            assert self.state == "running", f"audio, and {self.state}"
            assert 0 < len(frame) <= FRAME_BYTES
            return
        event = json.loads(frame)
        header, payload = event["header"], event["payload"]
        assert header["streaming"] == "duplex"
        assert "input" in payload
        match header["action"]:
            case "run-task":
                assert self.state == "no task"
                assert header["task_id"] not in self.tasks
                self.state, self.task = "asked", header["task_id"]
                self.tasks.append(self.task)
                self._begins(payload)
            case "continue-task" | "finish-task" as action:
                assert self.state == "running", f"{action}, and {self.state}"
                assert header["task_id"] == self.task
                self.state = "finishing" if action == "finish-task" else "running"
            case action:
                raise AssertionError(action)

    def _begins(self, payload: dict[str, Any]) -> None:
        row = live.row(payload["model"])
        assert ("audio", "asr", "recognition") == (payload["task_group"], payload["task"], payload["function"])
        assert set(payload["parameters"]) <= {"format", "sample_rate", *row.parameters}
        assert row.context or not payload["input"]

    def received(self, frame: str) -> None:
        try:
            header = json.loads(frame)["header"]
            task, event = header["task_id"], header["event"]
        except (ValueError, LookupError, TypeError):
            return
        if task not in (None, self.task):
            return
        match event:
            case "task-started":
                self.state, self.idle = "running", 0.0
            case "task-finished":
                self.state = "no task"
            case "task-failed":
                self.state = "closing"
            case _:
                pass

    def wait(self, seconds: float) -> None:
        self.idle += seconds
        assert self.state != "running" or self.idle <= IDLE_SECONDS, "a task is left without sound"


@dataclass
class TaskService(Service):
    """One connection, which carries tasks. Each has its sentences from 1 on, and its times from 0 on.

    `settles`: whether a partial result is the beginning of the final one. `answers_silence`: the end of a task without
    speech: task-finished, or a failure with either code. `habits`: selects how final results are marked, and what is
    sent without need. `own_silence_ms`: the silence that ends a sentence, whatever is asked for. Without heartbeats, a
    task fails after SILENCE_SECONDS of silence.
    """

    model: str = "fun-asr-realtime"
    habits: int = 0
    own_silence_ms: int | None = None
    _wire: TaskWire = field(default_factory=TaskWire)
    _chance: random.Random = field(default_factory=random.Random)
    _finals: dict[str, dict[str, Any]] = field(default_factory=dict)
    _silence_ms: int = 0
    _quiet_from: int = 0
    _beats: bool = False

    def begin(self) -> None:
        self._wire, self._chance = TaskWire(), random.Random(f"{self.habits} {self.number}")  # noqa: S311

    def delivered(self, line: str) -> None:
        self._wire.received(line)

    def wait(self, seconds: float) -> None:
        self._wire.wait(seconds)

    def take(self, frame: str | bytes) -> None:
        self._wire.sent(frame)
        if isinstance(frame, bytes):
            self._pcm += frame
            self._listen()
            if (
                not self._beats
                and self._begin is None
                and len(self._pcm) - self._quiet_from > SILENCE_SECONDS * RATE * 2
            ):
                self._event("task-failed", {}, error_code="RequestTimeOut", error_message="Response timeout!")
            if self._sometimes:
                self._result({"sentence_id": 0, "begin_time": self._ms(len(self._pcm)), "text": "", "heartbeat": True})
            return
        event = json.loads(frame)
        if event["header"]["action"] == "run-task":
            self._run(event["payload"]["parameters"])
        elif event["header"]["action"] == "finish-task":
            self._finish()

    def _run(self, parameters: dict[str, Any]) -> None:
        assert ("pcm", RATE) == (parameters["format"], parameters["sample_rate"])
        self.language = parameters.get("language_hints", [""])[0]
        self._beats, self._quiet_from = parameters.get("heartbeat", False), 0
        self._silence_ms = self.own_silence_ms or parameters.get("max_sentence_silence", DEFAULT_SILENCE_MS)
        self._silence_bytes = self._silence_ms * RATE // 1000 * 2
        self._pcm.clear()
        self._turns = self._looked = self._searched = 0
        self._begin = None
        self._finals, self._late = {}, deque()
        self._event("task-started", {})

    def _event(self, event: str, payload: dict[str, Any], **header: str) -> None:
        frame = {"header": {"task_id": self._wire.task, "event": event, "attributes": {}, **header}, "payload": payload}
        self.lines.append(json.dumps(frame))

    def _result(self, sentence: dict[str, Any], usage: dict[str, int] | None = None) -> None:
        self._event("result-generated", {"output": {"sentence": {"end_time": None, **sentence}}, "usage": usage})

    @property
    def _sometimes(self) -> bool:
        return bool(self.habits) and self._chance.random() < 0.2

    def _open(self, at_ms: int) -> None:
        self._finals[self._turn] = {"sentence_id": self._turns, "begin_time": at_ms, "sentence_begin": True}
        if self._sometimes:
            self._result({**self._finals[self._turn], "text": ""})

    def _show(self, words: list[str]) -> None:
        text = " ".join(words if self.settles else [*words[:-1], "um"])
        self._result({**self._finals[self._turn], "text": text, "sentence_end": False, "stash": {"text": "x"}})

    def _close(self, begin: int, end: int) -> None:
        sound = bytes(self._pcm[begin : end - end % 2])
        self.recognised.append(sound)
        natural = end < len(self._pcm) or not sound[-len(b"\0" * (self._silence_bytes or 0)) :].strip(b"\0")
        spoken = begin + len(sound.rstrip(b"\0"))
        end_ms = self._ms(end) - self._silence_ms if natural else self._ms(spoken + spoken % 2)
        words = heard(sound)
        self._finals[self._turn] |= {
            "text": " ".join(words),
            "emo_tag": self.language,
            "words": self._words(begin, end),
        }
        self._finals[self._turn] |= {"end_time": end_ms, "sentence_end": True}
        self._complete(" ".join(words))
        self._begin, self._looked, self._quiet_from = None, end, end

    def _words(self, begin: int, end: int) -> list[dict[str, Any]]:
        """The whole words between these offsets, with their times."""
        words = []
        for name in heard(bytes(self._pcm[begin : end - end % 2])):
            if "/" not in name:
                at = self._ms(self._pcm.index(word(int(name[1:])), begin))
                words.append({"text": name, "begin_time": at, "end_time": at + WORD_MS, "punctuation": ""})
        return words

    def _completed(self, turn: str, transcript: str) -> None:
        final = self._finals[turn]
        timed = self.window == 1 and "/" not in transcript  # whether its last word ends with it
        if self.habits:
            final = self._chance.choice([
                final,
                {**final, "sentence_end": False},
                {**final, "end_time": None if timed else final["end_time"]},
            ])  # fmt: skip
        self._result(final, {"duration": self._ms(len(self._pcm)) // 1000})
        if self._sometimes:
            self._result({**final, "text": f"{final['text']} (revised)"})

    def _finish(self) -> None:
        if self._begin is not None:
            self._close(self._begin, len(self._pcm))
        while self._late:
            self._completed(*self._late.popleft())
        if self._turns or self.answers_silence == "never":
            self._event("task-finished", {"output": {}, "usage": None})
        else:
            code = {"empty": "EmptyAudio", "error": "NO_VALID_AUDIO_ERROR"}[self.answers_silence]
            self._event("task-failed", {}, error_code=code, error_message="There is no speech.")


def simulated(
    dialect: str,
    *,
    habits: int = 0,
    own_silence_ms: int | None = None,
    late: int = 0,
    manual: bool = False,
    **fields: Any,  # noqa: ANN401 - those of Service
) -> Service:
    """Return a service of one dialect. Results in a different order come from realtime, and in `manual` tasks."""
    if dialect == "realtime":
        return Service(late=late, **fields)
    return TaskService(habits=habits, own_silence_ms=own_silence_ms, late=late if manual else 0, **fields)
