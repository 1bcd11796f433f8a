"""Messages of `/api-ws/v1/inference`, the run-task protocol. Times are in milliseconds from the start of the task.

Sources: see compat.dashscope_api.live.run_task.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class TaskActionHeader(msgspec.Struct, frozen=True, kw_only=True):
    action: Literal["run-task", "continue-task", "finish-task"]
    task_id: str
    streaming: str = "duplex"


class TaskInput(msgspec.Struct, frozen=True, omit_defaults=True):
    context: list[dict[str, Any]] = []


class TaskPayload(msgspec.Struct, frozen=True, kw_only=True):
    input: TaskInput = TaskInput()


class RunPayload(msgspec.Struct, frozen=True, kw_only=True):
    task_group: str = "audio"
    task: str = "asr"
    function: str = "recognition"
    model: str
    parameters: dict[str, Any]
    input: TaskInput


class TaskAction(msgspec.Struct, frozen=True):
    header: TaskActionHeader
    payload: TaskPayload | RunPayload


class TaskWord(msgspec.Struct, frozen=True, kw_only=True):
    begin_time: float | None = None
    end_time: float | None = None
    text: str | None = None
    punctuation: str | None = None


class TaskSentence(msgspec.Struct, frozen=True, kw_only=True):
    begin_time: float | None = None
    end_time: float | None = None
    text: str | None = None
    words: list[TaskWord] | None = None
    heartbeat: bool | None = None
    sentence_id: int | None = None
    sentence_end: bool | None = None
    emo_tag: str | None = None

    @property
    def final(self) -> bool:
        return bool(self.sentence_end) or self.end_time is not None

    @property
    def key(self) -> str:
        """The sentence's identity in its task."""
        return f"{self.sentence_id}" if self.sentence_id is not None else f"at {self.begin_time}"

    @property
    def ends_at(self) -> float | None:
        if self.end_time is not None:
            return self.end_time
        return self.words[-1].end_time if self.words else None


class LiveTaskUsage(msgspec.Struct, frozen=True, kw_only=True):
    duration: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None

    @property
    def tokens(self) -> tuple[int, int, int] | None:
        """Input, output and total tokens; None for a model that is not billed by tokens."""
        given = (self.input_tokens, self.output_tokens, self.total_tokens)
        if all(count is None for count in given):
            return None
        inputs, outputs = self.input_tokens or 0, self.output_tokens or 0
        return inputs, outputs, inputs + outputs if self.total_tokens is None else self.total_tokens


class TaskResult(msgspec.Struct, frozen=True):
    sentence: TaskSentence | None = None


class TaskEventPayload(msgspec.Struct, frozen=True, kw_only=True):
    output: TaskResult | None = None
    usage: LiveTaskUsage | None = None


class TaskEventHeader(msgspec.Struct, frozen=True, kw_only=True):
    event: str
    task_id: str | int | None = None
    error_code: str | int | None = None
    error_message: str | None = None


class TaskEvent(msgspec.Struct, frozen=True, kw_only=True):
    header: TaskEventHeader
    payload: TaskEventPayload | None = None


_decoder = msgspec.json.Decoder(TaskEvent)
_encoder = msgspec.json.Encoder()


def decode(raw: str | bytes) -> TaskEvent:
    """Decode an event. Raises msgspec.MsgspecError, UnicodeDecodeError or RecursionError."""
    return _decoder.decode(raw)


def encode(action: TaskAction) -> str:
    return _encoder.encode(action).decode()
