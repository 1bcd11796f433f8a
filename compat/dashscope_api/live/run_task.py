"""`Dialect` for `/api-ws/v1/inference`, the run-task protocol of fun-asr-realtime, Paraformer and qwen-audio-3.

A session is a task, and a connection carries tasks one after the other. A task has no commits: without detection, all
its sentences together are one turn, which finish-task ends. Audio is sent in binary frames, after task-started; Opus
is sent in Ogg. A sentence has partial results, each with the whole text so far, which the next may revise, and one
final result. `begin_time` restarts with each task. After task-failed, the service closes the connection.

Sources: Model Studio, client events and server events of fun-asr-realtime (2026-08), page of
qwen-audio-3.1-asr-flash-message (2026-10), and the official package (dashscope 2.0.2). Undocumented: whether usage is
cumulative, whether `sentence_end`, `end_time` or both mark a final result, whether a final result may come twice, and
which error a task without speech has. The code accepts every variant.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from itertools import takewhile
from typing import Any, ClassVar, Literal

from compat.catalogue import live
from compat.dashscope_api import faults
from compat.dashscope_api.inline import context_messages
from compat.dashscope_api.live import turns
from compat.dashscope_api.live.ogg import OggOpus
from compat.dashscope_api.live.task_messages import (
    LiveTaskUsage,
    RunPayload,
    TaskAction,
    TaskActionHeader,
    TaskEventHeader,
    TaskEventPayload,
    TaskInput,
    TaskPayload,
    TaskSentence,
    TaskWord,
    decode,
    encode,
)
from compat.errors import BadRequest, CompatError, ServiceFailed, ServiceUnavailable
from compat.text import joined, space

_SHORTEST_SILENCE_MS, _LONGEST_SILENCE_MS = 200, 6000
_NO_SPEECH = frozenset({"EmptyAudio", "NO_VALID_AUDIO_ERROR"})
_FIELDS: tuple[tuple[turns.Field, str], ...] = (
    ("language", "language_hints"),
    ("vocabulary_id", "vocabulary_id"),
    ("vocabulary", "vocabulary"),
)
"""The fields of a setup and their parameters."""
_NAME = re.compile(r"[a-z_]+")


_OTHER, _OPENED = turns.OtherEvent(), turns.Opened()


class _Meter:
    """Computes what each result adds to the bill: seconds, and input, output and total tokens.

    The figures in a result count the task so far, or one sentence only, in which case a figure can fall. The figures at
    the end of a task count the whole task.
    """

    def __init__(self) -> None:
        self._before = self._sum = (0.0, 0, 0, 0)

    @property
    def input_tokens(self) -> int:
        return int(self._sum[1])

    def added(self, usage: LiveTaskUsage | None) -> turns.TurnUsage | None:
        figures = _bill(usage)
        falls = any(a < b for a, b in zip(figures, self._before, strict=True))
        before, self._before = (0.0, 0, 0, 0) if falls else self._before, figures
        return self._add(usage, before)

    def rest(self, usage: LiveTaskUsage | None) -> turns.TurnUsage | None:
        """Return what the figures of the whole task add to those of its results."""
        return self._add(usage, self._sum)

    def _add(self, usage: LiveTaskUsage | None, before: tuple[float, int, int, int]) -> turns.TurnUsage | None:
        if usage is None or (usage.duration is None and usage.tokens is None):
            return None
        seconds, *tokens = (max(a - b, 0) for a, b in zip(_bill(usage), before, strict=True))
        inputs, outputs, total = map(int, tokens)
        old = self._sum
        self._sum = old[0] + seconds, old[1] + inputs, old[2] + outputs, old[3] + total
        if usage.tokens is None:
            return turns.TurnUsage(seconds=seconds)
        return turns.TurnUsage(input_tokens=inputs, output_tokens=outputs, total_tokens=total)


def _bill(usage: LiveTaskUsage | None) -> tuple[float, int, int, int]:
    return ((usage and usage.duration) or 0.0, *((usage and usage.tokens) or (0, 0, 0)))


class _Task:
    """A task, started with the named `parameters`. With detection, each sentence is a turn."""

    def __init__(self, task_id: str, setup: turns.Setup, parameters: Iterable[str]) -> None:
        self.id = task_id
        self.setup = setup
        self.parameters = frozenset(parameters)
        self.finishing = False
        self.meter = _Meter()
        self.ogg = OggOpus(int(task_id[:8] or "0", 16), setup.rate)
        self._speaking: str | None = None
        self._begun: set[str] = set()
        self._ended: set[str] = set()
        self._texts: dict[str, str] = {}
        self._words: list[turns.TurnWord] = []
        self._used: list[turns.TurnUsage | None] = []

    def result(self, sentence: TaskSentence, usage: LiveTaskUsage | None) -> list[turns.Report]:
        text = (sentence.text or "").strip()
        if sentence.heartbeat or sentence.key in self._ended:
            return [_OTHER]
        if sentence.final:
            self._ended.add(sentence.key)
        if self.setup.detection is None:
            return self._part(sentence, text, usage)
        reports: list[turns.Report] = []
        turn = f"{self.id} {sentence.key}"
        if text and sentence.key not in self._begun:
            if self._speaking is not None:  # its final result is late
                reports.append(turns.Stopped(self._speaking, _ms(sentence.begin_time)))
            self._begun.add(sentence.key)
            self._speaking = turn
            reports.append(turns.Started(turn, _ms(sentence.begin_time)))
        if sentence.key not in self._begun:
            return [_OTHER]
        if sentence.final:
            self._speaking = None if self._speaking == turn else self._speaking
            reports.append(self._stop(turn, sentence))
            reports.append(
                turns.Final(
                    turn=turn,
                    text=text,
                    emotion=sentence.emo_tag,
                    words=_words(sentence),
                    usage=self.meter.added(usage),
                )
            )
        else:
            reports.append(turns.Snapshot(turn=turn, stash=text, emotion=sentence.emo_tag))
        return reports

    def _stop(self, turn: str, sentence: TaskSentence) -> turns.Stopped:
        """Return the end of a turn. As at OpenAI, it includes the silence that ended the turn. Some models end a
        sentence after less silence than requested."""
        detection, end = self.setup.detection, _ms(sentence.ends_at)
        if end is None or detection is None or detection.semantic or "max_sentence_silence" not in self.parameters:
            return turns.Stopped(turn, end)
        return turns.Stopped(turn, end + detection.silence_ms, end + _SHORTEST_SILENCE_MS)

    def _part(self, sentence: TaskSentence, text: str, usage: LiveTaskUsage | None) -> list[turns.Report]:
        """Return the report of a result without detection, which is a part of the only turn."""
        self._texts[sentence.key] = text
        if sentence.final:
            self._words += _words(sentence)
            self._used.append(self.meter.added(usage))
        settled = sum(1 for _ in takewhile(self._ended.__contains__, self._texts))
        texts = list(self._texts.values())
        final, rest = joined(texts[:settled]), joined(texts[settled:])
        return [turns.Snapshot(turn=self.id, text=final, stash=space(final, rest) + rest, emotion=sentence.emo_tag)]

    def finished(self, usage: LiveTaskUsage | None) -> list[turns.Report]:
        """Return the reports at the end of the task."""
        if self.setup.detection is not None or not self._texts:
            return []
        used = _total([*self._used, self.meter.rest(usage)])
        return [turns.Final(turn=self.id, text=joined(self._texts.values()), words=tuple(self._words), usage=used)]


class RunTask:
    """The dialect. It keeps the state of the current task."""

    rules: ClassVar[turns.Rules] = turns.Rules(
        frame_bytes=16_000,
        acknowledged=True,
        idle=15.0,  # the service fails a task without audio for 23 s
        longest=300.0,
        tokens=6000,  # the context window of qwen-audio-3.1 has 8192
    )

    def __init__(self) -> None:
        self._task = _Task("", turns.Setup(model=""), ())

    @property
    def spent(self) -> int:
        return self._task.meter.input_tokens

    @property
    def silence(self) -> float | None:
        return None if "heartbeat" in self._task.parameters else 60.0

    def setup(self, setup: turns.Setup, event_id: str) -> str:
        parameters = _parameters(setup)
        self._task = _Task(hashlib.sha256(event_id.encode()).hexdigest()[:32], setup, parameters)
        run = RunPayload(model=setup.model, parameters=parameters, input=_input(setup))
        return self._action("run-task", run)

    def revise(self, setup: turns.Setup, event_id: str) -> str | None:  # noqa: ARG002 - the task's id is the only one
        if not setup.context or live.row(setup.model).context != "rounds":
            return None
        self._task.setup = setup
        return self._action("continue-task", TaskPayload(input=_input(setup)))

    def append(self, audio: bytes, event_id: str) -> bytes:  # noqa: ARG002 - see above
        return self._task.ogg.feed(audio) if self._task.setup.format == "opus" else audio

    def commit(self, event_id: str) -> None:
        """Return None: a task has no commits."""

    def finish(self, event_id: str) -> str:  # noqa: ARG002 - see above
        self._task.finishing = True
        return self._action("finish-task", TaskPayload())

    def read(self, raw: str | bytes) -> tuple[turns.Report, ...]:
        """Return the reports in a frame. A frame of an earlier task has none; an invalid one yields `Broken`."""
        try:
            event = decode(raw)
        except faults.UNREADABLE:
            return (turns.Broken(ServiceFailed("DashScope's recognition task sent an invalid event.")),)
        header, payload, task = event.header, event.payload or TaskEventPayload(), self._task
        if header.task_id is not None and str(header.task_id).replace("-", "") != task.id:
            return ()
        match header.event:
            case "task-started":
                return (_OPENED,)
            case "result-generated" if payload.output is not None and payload.output.sentence is not None:
                return tuple(task.result(payload.output.sentence, payload.usage))
            case "task-finished":
                return (*self._ended(payload.usage), turns.Finished(reusable=True))
            case "task-failed":
                return tuple(self._failed(header))
            case _:
                return (_OTHER,)

    def _action(
        self, action: Literal["run-task", "continue-task", "finish-task"], payload: TaskPayload | RunPayload
    ) -> str:
        return encode(TaskAction(TaskActionHeader(action=action, task_id=self._task.id), payload))

    def _ended(self, usage: LiveTaskUsage | None) -> list[turns.Report]:
        reports = self._task.finished(usage)
        self._task = _Task("", self._task.setup, ())
        return reports

    def _failed(self, header: TaskEventHeader) -> list[turns.Report]:
        code, message = str(header.error_code or ""), header.error_message or ""
        task = self._task
        if code in _NO_SPEECH or faults.no_speech(code):
            if task.finishing:
                return [*self._ended(None), turns.Finished()]
            return [turns.Broken(ServiceUnavailable("The speech service ended its task without speech."))]
        error = faults.task_fault(code, message, None)
        field = _refused(error, message, task)
        return [turns.Broken(error) if field is None else turns.SetupRefused(error, field)]


def _parameters(setup: turns.Setup) -> dict[str, Any]:
    row = live.row(setup.model)
    parameters: dict[str, Any] = {}
    if setup.tuning:
        parameters |= {"heartbeat": True, "intermediate_result_enabled": True, **_detection(setup.detection)}
    if setup.language:
        parameters["language_hints"] = ["tl" if setup.language == "fil" else setup.language]
    if setup.vocabulary:
        parameters["vocabulary"] = setup.vocabulary
    if setup.vocabulary_id:
        parameters["vocabulary_id"] = setup.vocabulary_id
    parameters |= setup.options
    taken = {name: value for name, value in parameters.items() if name in row.parameters}
    return {"format": setup.format, "sample_rate": setup.rate, **taken}


def _detection(detection: turns.Detection | None) -> dict[str, Any]:
    """Return the parameters. The service always detects sentences; without detection, the longest silence keeps them
    few, because they are joined."""
    silence = _LONGEST_SILENCE_MS if detection is None else detection.silence_ms
    semantic = detection is not None and detection.semantic
    return {"max_sentence_silence": silence, **({"semantic_punctuation_enabled": True} if semantic else {})}


def _input(setup: turns.Setup) -> TaskInput:
    takes = live.row(setup.model).context == "rounds"
    return TaskInput(context_messages(setup.context)) if takes and setup.context else TaskInput()


def _refused(error: CompatError, message: str, task: _Task) -> turns.Field | None:
    """Return the field that a failure names, if it was sent and can be left out."""
    if not isinstance(error, BadRequest):
        return None
    named = set(_NAME.findall(message))
    sent = named & task.parameters - {"format", "sample_rate"}
    if "context" in named and task.setup.context:
        return "context"
    if sent & task.setup.options.keys():
        return "options"
    for field, name in _FIELDS:
        if name in sent:
            return field
    return "tuning" if sent else None


def _ms(time: float | None) -> int | None:
    return None if time is None else round(time)


def _span(word: TaskWord, sentence: TaskSentence) -> tuple[int, int]:
    begin = word.begin_time if word.begin_time is not None else sentence.begin_time or 0
    return round(begin), round(begin if word.end_time is None else word.end_time)


def _words(sentence: TaskSentence) -> tuple[turns.TurnWord, ...]:
    return tuple(
        turns.TurnWord(
            f"{word.text or ''}{word.punctuation or ''}",
            *_span(word, sentence),
            sentence.sentence_id,
        )
        for word in sentence.words or ()
    )


def _total(parts: list[turns.TurnUsage | None]) -> turns.TurnUsage | None:
    used = [part for part in parts if part is not None]
    if not used:
        return None
    if all(each.total_tokens is None for each in used):
        return turns.TurnUsage(seconds=sum(each.seconds or 0.0 for each in used))
    return turns.TurnUsage(
        input_tokens=sum(each.input_tokens for each in used),
        output_tokens=sum(each.output_tokens for each in used),
        total_tokens=sum(each.total_tokens or 0 for each in used),
    )
