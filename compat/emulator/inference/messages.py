"""Messages of `/api-ws/v1/inference`: client actions and server events.

Sources: Model Studio, Fun-ASR client events and server events, 2026-08; the official Python package, 2.0.2.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from compat.emulator.engine import Word

TaskId: TypeAlias = str | int
EventName: TypeAlias = Literal["task-started", "result-generated", "task-finished", "task-failed"]


class ActionHeader(msgspec.Struct, frozen=True):
    """The header of an action. The first generation of the official package sends continue-task without `streaming`."""

    action: Literal["run-task", "continue-task", "finish-task"]
    task_id: TaskId
    streaming: str | None = None


class ActionPayload(msgspec.Struct, frozen=True, omit_defaults=True):
    """The payload of an action. `input` is required, and some programs send a list. Only run-task has the others."""

    input: dict[str, Any] | list[Any]
    model: str | None = None
    task_group: str | None = None
    task: str | None = None
    function: str | None = None
    parameters: dict[str, Any] | None = None
    resources: list[dict[str, Any]] | None = None


class Action(msgspec.Struct, frozen=True):
    header: ActionHeader
    payload: ActionPayload


class EventHeader(msgspec.Struct, frozen=True, kw_only=True):
    task_id: TaskId
    event: EventName
    error_code: str | UnsetType = UNSET
    error_message: str | UnsetType = UNSET
    attributes: dict[str, Any] = {}


class WordResult(msgspec.Struct, frozen=True):
    """A word. Times are in milliseconds from the start of the task, as in SentenceResult."""

    begin_time: int
    end_time: int
    text: str
    punctuation: str


class SentenceResult(msgspec.Struct, frozen=True, kw_only=True):
    """A result. `text` is the whole sentence so far; `end_time` is null until it is final. Heartbeats have id 0."""

    begin_time: int
    end_time: int | None
    text: str
    words: list[WordResult] = []
    heartbeat: bool = False
    sentence_id: int = 0
    sentence_begin: bool = False
    sentence_end: bool = False
    emo_tag: str | UnsetType = UNSET
    emo_confidence: float | UnsetType = UNSET


class SentenceOutput(msgspec.Struct, frozen=True):
    sentence: SentenceResult | UnsetType = UNSET


class EventPayload(msgspec.Struct, frozen=True):
    output: SentenceOutput | UnsetType = UNSET
    usage: dict[str, Any] | UnsetType | None = UNSET


class TaskEvent(msgspec.Struct, frozen=True):
    header: EventHeader
    payload: EventPayload = EventPayload()

    @property
    def sentence(self) -> SentenceResult | None:
        output = self.payload.output
        return None if output is UNSET or output.sentence is UNSET else output.sentence

    @property
    def final(self) -> bool:
        sentence = self.sentence
        return sentence is not None and (sentence.sentence_end or sentence.end_time is not None)


class TaskFailure(Exception):
    """The error that ends a task with task-failed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> TaskFailure:
    return TaskFailure("InvalidParameter", message)


def missing(parameter: str) -> TaskFailure:
    """Return the failure for a missing parameter, worded as on the error codes page (2026-10)."""
    return invalid(f"Missing required parameter '{parameter}'! Please follow the protocol!")


def started(task_id: TaskId) -> TaskEvent:
    return TaskEvent(EventHeader(task_id=task_id, event="task-started"))


def generated(task_id: TaskId, sentence: SentenceResult, usage: dict[str, Any] | None = None) -> TaskEvent:
    header = EventHeader(task_id=task_id, event="result-generated")
    return TaskEvent(header, EventPayload(SentenceOutput(sentence), usage))


def finished(task_id: TaskId, usage: dict[str, Any] | None) -> TaskEvent:
    header = EventHeader(task_id=task_id, event="task-finished")
    return TaskEvent(header, EventPayload(SentenceOutput(), usage))


def failed(task_id: TaskId, code: str, message: str) -> TaskEvent:
    return TaskEvent(EventHeader(task_id=task_id, event="task-failed", error_code=code, error_message=message))


def word_results(words: tuple[Word, ...]) -> list[WordResult]:
    return [WordResult(word.begin_ms, word.end_ms, word.text, word.punctuation) for word in words]


_DECODER = msgspec.json.Decoder(Action)


def decode(raw: str) -> Action:
    """Parse an action. Raises msgspec.MsgspecError or UnicodeDecodeError if the message is not an action."""
    return _DECODER.decode(raw)
