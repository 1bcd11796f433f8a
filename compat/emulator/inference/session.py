"""State machine of one run-task socket, without I/O.

A socket runs tasks one after the other: run-task, task-started, audio and continue-task, finish-task, task-finished.
After task-failed the socket is closed (Model Studio, Fun-ASR WebSocket API, 2025-11 and 2026-08).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from compat.emulator.engine import Engine
from compat.emulator.inference.messages import (
    Action,
    TaskEvent,
    TaskFailure,
    TaskId,
    decode,
    failed,
    invalid,
    started,
)
from compat.emulator.inference.parameters import TaskSettings, given_context, settings
from compat.emulator.inference.task import CLOSED, RecognitionTask, TaskEvents
from compat.emulator.live_faults import Reject
from compat.emulator.live_records import LiveRecord
from compat.emulator.live_settings import TaskLimits
from compat.emulator.readings import Readings
from compat.emulator.realtime.connection import Over

UNREADABLE = (1007, "Invalid payload data")
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class TaskSession:
    """One socket. It updates `record`, with `keep_sound` also with the audio.

    `on_run` is called with each run-task and its effective context. `rejects` are injected faults.
    """

    def __init__(
        self,
        engine: Engine,
        record: LiveRecord,
        *,
        limits: TaskLimits,
        readings: Readings,
        keep_sound: bool = False,
        rejects: tuple[Reject, ...] = (),
        on_run: Callable[[Action, str | None], None] = lambda *_: None,
    ) -> None:
        self._engine = engine
        self._record = record
        self._limits = limits
        self._readings = readings
        self._keep_sound = keep_sound
        self._rejects = rejects
        self._on_run = on_run
        self._requested = 0  # number of run-task actions
        self._task: RecognitionTask | None = None
        self._done: TaskId | None = None
        self._before = 0, 0  # items and milliseconds of audio in earlier tasks

    @property
    def task_id(self) -> TaskId:
        """The id of the current task, or of the last one."""
        if self._task is not None:
            return self._task.id
        return self._done if self._done is not None else ""

    @property
    def patience(self) -> float | None:
        if self._task is None:
            return self._limits.idle_seconds
        return None if self._readings.inference.no_data == "kept" else self._limits.request_seconds

    def opened(self) -> list[TaskEvent]:
        return []

    def receive(self, message: str | bytes) -> TaskEvents:
        """Yield the events that answer a message. Raises Over."""
        if isinstance(message, bytes):
            yield from self._failing(self._audio(message))
            return
        try:
            action = decode(message)
        except _UNDECODABLE as exc:
            raise Over(*UNREADABLE) from exc
        yield from self._failing(self._act(action), action.header.task_id)

    def timed_out(self) -> TaskEvents:
        if self._task is None:
            raise Over(CLOSED, "No task was started in time.")
        if self._readings.inference.no_data == "closed":
            raise Over(CLOSED)
        message = f"request timeout after {self._limits.request_seconds or 0:g} seconds."
        yield failed(self._task.id, "CLIENT_ERROR", message)

    def disconnected(self) -> None:
        """Cancel the work of another machine: the client has disconnected. May be called from any thread."""
        if (task := self._task) is not None:
            task.stop()

    def _failing(self, events: TaskEvents, task_id: TaskId | None = None) -> TaskEvents:
        try:
            yield from events
        except TaskFailure as failure:
            yield failed(self.task_id if task_id is None else task_id, failure.code, failure.message)

    def _act(self, action: Action) -> TaskEvents:
        match action.header.action:
            case "run-task":
                return self._run(action)
            case "continue-task":
                return self._continue(action)
            case "finish-task":
                return self._finish(action.header.task_id)

    def _run(self, action: Action) -> TaskEvents:
        self._record.updates.append(msgspec.to_builtins(action.payload))
        self._record.model = action.payload.model or ""
        context = None
        try:
            chosen = self._settings(action)
            context = chosen.context
        finally:
            self._on_run(action, context)
        self._before = self._record.items, self._record.audio_ms
        self._record.tasks += 1
        self._record.finished = False
        self._task = RecognitionTask(
            action.header.task_id, self._engine, chosen, self._limits, self._readings.inference
        )
        yield started(self._task.id)

    def _settings(self, action: Action) -> TaskSettings:
        """Return the settings of a new task. Raises TaskFailure."""
        self._requested += 1
        reject = next((fault for fault in self._rejects if fault.task == self._requested), None)
        if reject is not None:
            raise TaskFailure(reject.code, reject.message)
        if self._task is not None:
            raise invalid(f"The task {self._task.id} has not been finished.")
        if action.header.streaming != "duplex":
            raise invalid("header.streaming must be duplex.")
        return settings(action.payload, self._readings)

    def _continue(self, action: Action) -> TaskEvents:
        task = self._running(action.header.task_id)
        self._record.updates.append(msgspec.to_builtins(action.payload))
        given_context(action.payload, task.settings.model)
        yield from ()

    def _finish(self, task_id: TaskId) -> TaskEvents:
        """Finish the task. A second finish-task, which some programs send, is ignored."""
        if self._task is None and task_id == self._done:
            return
        task = self._running(task_id)
        for event in self._counted(task.finish(), task):
            if event.header.event == "task-finished":
                self._task, self._done = None, task.id
                self._record.finished = True
            yield event

    def _running(self, task_id: TaskId) -> RecognitionTask:
        if self._task is None or self._task.id != task_id:
            raise invalid(f"The task {str(task_id)[:100]} is not running.")
        return self._task

    def _audio(self, audio: bytes) -> TaskEvents:
        """Pass audio to the task. Without a task it is dropped: a client may still be sending when its task ends."""
        record, task = self._record, self._task
        record.frames += 1
        record.bytes += len(audio)
        if self._keep_sound:
            record.sound += audio
        if task is not None:
            yield from self._counted(task.feed(audio), task)

    def _counted(self, events: TaskEvents, task: RecognitionTask) -> Iterator[TaskEvent]:
        """Update the record before each event, because a client may disconnect as soon as it has the last one."""
        for event in events:
            self._count(task)
            yield event
        self._count(task)

    def _count(self, task: RecognitionTask) -> None:
        items, audio_ms = self._before
        self._record.items = items + task.sentences
        self._record.audio_ms = audio_ms + task.now_ms
