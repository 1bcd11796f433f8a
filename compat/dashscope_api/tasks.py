"""What DashScope tells of an asynchronous task, in all dialects. (Model Studio "Manage asynchronous tasks", 2026.)"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from compat.dashscope_api.faults import Answer
from compat.errors import ServiceFailed
from compat.transcript import Usage


class Subtask(msgspec.Struct, frozen=True):
    """The outcome of one file. `subtask_status` repeats what is seen from the other members."""

    transcription_url: str | None = None
    code: str | None = None
    message: str | None = None


class Output(msgspec.Struct, frozen=True):
    """Of a submission and of a query. qwen-audio-3 may nest it."""

    task_id: str | None = None
    task_status: str | None = None
    code: str | None = None
    message: str | None = None
    transcription_url: str | None = None
    result: Subtask | None = None
    results: list[Subtask | str] | None = None
    output: Output | None = None


class Billed(msgspec.Struct, frozen=True):
    """qwen3 tells `seconds`, fun-asr `duration`, qwen-audio-3.1 is billed by the token."""

    seconds: float | None = None
    duration: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None

    def usage(self) -> Usage:
        return Usage(
            seconds=self.duration if self.seconds is None else self.seconds,
            audio_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
        )


class Task(Answer, frozen=True, kw_only=True):
    output: Output | None = None
    usage: Billed | None = None

    @property
    def status(self) -> str:
        """PENDING, RUNNING, SUSPENDED; SUCCEEDED, FAILED, CANCELED, UNKNOWN (over 24 hours old, or never seen)."""
        for output in self._levels():
            if output.task_status:
                return output.task_status
        raise ServiceFailed("DashScope told no state of the task.")

    @property
    def address(self) -> str | None:
        """Where the result file lies. It may be plain http, is signed and takes no key."""
        return next((told.transcription_url for told in self._told() if told.transcription_url), None)

    @property
    def blame(self) -> Subtask:
        """The code and the message of what went wrong: of the task, or of its one subtask."""
        return next((told for told in self._told() if told.code), Subtask(message="The task ended without a result."))

    def _levels(self) -> Iterator[Output]:
        output = self.output
        while output is not None:
            yield output
            output = output.output

    def _told(self) -> Iterator[Subtask]:
        for output in self._levels():
            yield Subtask(output.transcription_url, output.code, output.message)
            if output.result is not None:
                yield output.result
            for result in output.results or ():
                yield Subtask(result) if isinstance(result, str) else result
