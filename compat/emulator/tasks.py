"""File tasks: their parameters, files and status."""

from __future__ import annotations

import asyncio
import enum
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from compat.emulator.engine import NO_HINTS, Hints
from compat.emulator.families import Family
from compat.emulator.faults import FailFile, FailTask, Slow


class Status(enum.StrEnum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class TaskParameters(msgspec.Struct, frozen=True):
    """The parameters that change the result."""

    language: str | None = None
    enable_words: bool = False
    channel_id: list[int] | int = 0
    diarization_enabled: bool = False
    timestamp_alignment_enabled: bool = False
    special_word_filter: str | dict[str, Any] | None = None

    @property
    def channels(self) -> list[int]:
        return [self.channel_id] if isinstance(self.channel_id, int) else self.channel_id


class Failure(msgspec.Struct, frozen=True):
    code: str
    message: str


@dataclass
class FileWork:
    """One file of a task. At the end it has either `result`, the path of the result file, or `failure`.

    `billed` are seconds.
    """

    url: str
    result: Path | None = None
    failure: Failure | None = None
    billed: int = 0
    output_tokens: int = 0


@dataclass
class Task:
    id: str
    model: str
    family: Family
    account: str
    resolve: bool
    parameters: TaskParameters
    files: list[FileWork]
    submitted: float
    hints: Hints = NO_HINTS
    fault: FailTask | FailFile | Slow | None = None
    status: Status = Status.PENDING
    scheduled: float | None = None
    ended: float | None = None
    failure: Failure | None = None
    polls: int = 0
    job: asyncio.Task[None] | None = field(default=None, repr=False)

    def expires(self, seconds: float) -> float:
        """Return the time at which the task is removed: a fixed time after its end."""
        return math.inf if self.ended is None else self.ended + seconds

    def shown_status(self, now: float) -> Status:
        """Return the status as queries show it; a `Slow` fault delays it."""
        slow = self.fault
        if isinstance(slow, Slow) and self.status is not Status.CANCELED:
            if self.polls <= slow.polls and slow.polls:
                return Status(slow.status)
            if now < self.submitted + slow.seconds:
                return Status(slow.status)
        return self.status
