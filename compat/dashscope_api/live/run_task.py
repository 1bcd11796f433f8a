"""`Dialect` for `/api-ws/v1/inference`, the run-task protocol of fun-asr-realtime, Paraformer and qwen-audio-3.

A session is a task, and a connection carries tasks one after the other. A task has no commits: without detection, all
its sentences together are one turn, which finish-task ends. Audio is sent in binary frames, after task-started. A
sentence has partial results, each with its whole text, which later ones may revise, and one final result; `begin_time`
restarts with each task. task-failed ends the task, and the service then closes the connection.

Sources: Model Studio, client events and server events of fun-asr-realtime (2026-08), page of
qwen-audio-3.1-asr-flash-message (2026-10), and the official package (dashscope 2.0.2). Undocumented: whether usage is
cumulative, whether `sentence_end`, `end_time` or both mark a final result, whether a final result may come twice, and
which error a task without speech has. The code accepts all of these.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from itertools import takewhile
from typing import Any, ClassVar, Literal

import msgspec

from compat.catalogue import live
from compat.dashscope_api import faults
from compat.dashscope_api.inline import context_messages
from compat.dashscope_api.live import turns
from compat.errors import BadRequest, CompatError, ServiceFailed, ServiceUnavailable
from compat.text import joined, space

_LONGEST_SILENCE_MS = 6000
_NO_SPEECH = frozenset({"EmptyAudio", "NO_VALID_AUDIO_ERROR"})
_FIELDS: tuple[tuple[turns.Field, str], ...] = (
    ("language", "language_hints"),
    ("vocabulary_id", "vocabulary_id"),
    ("vocabulary", "vocabulary"),
)
"""The fields of a setup and their parameters."""
_NAME = re.compile(r"[a-z_]+")


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    action: Literal["run-task", "continue-task", "finish-task"]
    task_id: str
    streaming: str = "duplex"


class _Input(msgspec.Struct, frozen=True, omit_defaults=True):
    context: list[dict[str, Any]] = []


class _Payload(msgspec.Struct, frozen=True, kw_only=True):
    input: _Input = _Input()


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    task_group: str = "audio"
    task: str = "asr"
    function: str = "recognition"
    model: str
    parameters: dict[str, Any]
    input: _Input


class _Action(msgspec.Struct, frozen=True):
    header: _Header
    payload: _Payload | _Run


class _SpokenWord(msgspec.Struct, frozen=True, kw_only=True):
    begin_time: float = 0
    end_time: float | None = None
    text: str | None = None
    punctuation: str | None = None


class _Sentence(msgspec.Struct, frozen=True, kw_only=True):
    begin_time: float | None = None
    end_time: float | None = None
    text: str | None = None
    words: list[_SpokenWord] | None = None
    heartbeat: bool | None = None
    sentence_id: int | None = None
    sentence_end: bool | None = None
    emo_tag: str | None = None

    @property
    def final(self) -> bool:
        return bool(self.sentence_end) or self.end_time is not None

    @property
    def key(self) -> str:
        """What identifies it in its task."""
        return f"{self.sentence_id}" if self.sentence_id is not None else f"at {self.begin_time}"

    @property
    def ends_at(self) -> float | None:
        if self.end_time is not None:
            return self.end_time
        return self.words[-1].end_time if self.words else None


class _Usage(msgspec.Struct, frozen=True, kw_only=True):
    duration: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None


class _Result(msgspec.Struct, frozen=True):
    sentence: _Sentence | None = None


class _EventPayload(msgspec.Struct, frozen=True, kw_only=True):
    output: _Result | None = None
    usage: _Usage | None = None


class _EventHeader(msgspec.Struct, frozen=True, kw_only=True):
    event: str
    task_id: str | int | None = None
    error_code: str | int | None = None
    error_message: str | None = None


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    header: _EventHeader
    payload: _EventPayload = _EventPayload()


_decoder = msgspec.json.Decoder(_Event)
_encoder = msgspec.json.Encoder()
_OTHER, _OPENED = turns.OtherEvent(), turns.Opened()


class _Meter:
    """What each result adds to the bill. The service's figures are those of the task so far, or of one sentence: a
    figure that falls shows the latter."""

    def __init__(self) -> None:
        self._before = (0.0, 0, 0, 0)
        self.input_tokens = 0

    def added(self, usage: _Usage | None) -> turns.TurnUsage | None:
        if usage is None or (usage.duration is None and usage.total_tokens is None):
            return None
        now = (usage.duration or 0.0, usage.input_tokens or 0, usage.output_tokens or 0, usage.total_tokens or 0)
        before = self._before if all(a >= b for a, b in zip(now, self._before, strict=True)) else (0.0, 0, 0, 0)
        self._before = now
        seconds, inputs, outputs, total = (a - b for a, b in zip(now, before, strict=True))
        self.input_tokens += int(inputs)
        if usage.total_tokens is None:
            return turns.TurnUsage(seconds=seconds)
        return turns.TurnUsage(input_tokens=int(inputs), output_tokens=int(outputs), total_tokens=int(total))


class _Task:
    """A task. `parameters`: the names of those it was started with. With detection, each sentence is a turn."""

    def __init__(self, task_id: str, setup: turns.Setup, parameters: Iterable[str]) -> None:
        self.id = task_id
        self.setup = setup
        self.parameters = frozenset(parameters)
        self.finishing = False
        self.meter = _Meter()
        self._speaking: str | None = None
        self._begun: set[str] = set()
        self._ended: set[str] = set()
        self._texts: dict[str, str] = {}
        self._words: list[turns.TurnWord] = []
        self._used: list[turns.TurnUsage] = []

    def result(self, sentence: _Sentence, usage: _Usage | None) -> list[turns.Report]:
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
            reports.append(turns.Stopped(turn, self._stop(sentence)))
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

    def _stop(self, sentence: _Sentence) -> int | None:
        """The end of a turn, which for OpenAI's clients includes the silence that ended it."""
        detection, end = self.setup.detection, _ms(sentence.ends_at)
        if end is None or detection is None or detection.semantic or "max_sentence_silence" not in self.parameters:
            return end
        return end + detection.silence_ms

    def _part(self, sentence: _Sentence, text: str, usage: _Usage | None) -> list[turns.Report]:
        """A result without detection, which is a part of the one turn."""
        self._texts[sentence.key] = text
        if sentence.final:
            self._words += _words(sentence)
            self._add(usage)
        settled = sum(1 for _ in takewhile(self._ended.__contains__, self._texts))
        texts = list(self._texts.values())
        final, rest = joined(texts[:settled]), joined(texts[settled:])
        return [turns.Snapshot(turn=self.id, text=final, stash=space(final, rest) + rest, emotion=sentence.emo_tag)]

    def _add(self, usage: _Usage | None) -> None:
        added = self.meter.added(usage)
        if added is not None:
            self._used.append(added)

    def finished(self, usage: _Usage | None) -> list[turns.Report]:
        """The reports at the end of the task."""
        if self.setup.detection is not None or not self._texts:
            return []
        self._add(usage)
        return [
            turns.Final(
                turn=self.id, text=joined(self._texts.values()), words=tuple(self._words), usage=_total(self._used)
            )
        ]


class RunTask:
    """The dialect. It keeps the state of the current task."""

    rules: ClassVar[turns.Rules] = turns.Rules(
        frame_bytes=16_000,
        acknowledged=True,
        idle=15.0,  # the service fails a task that gets nothing for 23 s
        longest=300.0,
        tokens=6000,  # the context window of qwen-audio-3.1 has 8192
    )

    def __init__(self) -> None:
        self._task = _Task("", turns.Setup(model=""), ())

    @property
    def spent(self) -> int:
        return self._task.meter.input_tokens

    def setup(self, setup: turns.Setup, event_id: str) -> str:
        parameters = _parameters(setup)
        self._task = _Task(hashlib.sha256(event_id.encode()).hexdigest()[:32], setup, parameters)
        run = _Run(model=setup.model, parameters=parameters, input=_input(setup))
        return self._action("run-task", run)

    def revise(self, setup: turns.Setup, event_id: str) -> str | None:  # noqa: ARG002 - the task's id is the only one
        if not setup.context or live.row(setup.model).context != "rounds":
            return None
        return self._action("continue-task", _Payload(input=_input(setup)))

    def append(self, audio: bytes, event_id: str) -> bytes:  # noqa: ARG002 - see above
        return audio

    def commit(self, event_id: str) -> None:
        """A task has no commits."""

    def finish(self, event_id: str) -> str:  # noqa: ARG002 - see above
        self._task.finishing = True
        return self._action("finish-task", _Payload())

    def read(self, raw: str | bytes) -> tuple[turns.Report, ...]:
        """Return the reports in a frame. A frame of an earlier task has none; an invalid one yields `Broken`."""
        try:
            event = _decoder.decode(raw)
        except faults.UNREADABLE:
            return (turns.Broken(ServiceFailed("DashScope's recognition task sent an invalid event.")),)
        header, payload, task = event.header, event.payload, self._task
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

    def _action(self, action: Literal["run-task", "continue-task", "finish-task"], payload: _Payload | _Run) -> str:
        return _encoder.encode(_Action(_Header(action=action, task_id=self._task.id), payload)).decode()

    def _ended(self, usage: _Usage | None) -> list[turns.Report]:
        reports = self._task.finished(usage)
        self._task = _Task("", self._task.setup, ())
        return reports

    def _failed(self, header: _EventHeader) -> list[turns.Report]:
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
    """The service always detects sentences. Without detection they are joined, so they should be few."""
    silence = _LONGEST_SILENCE_MS if detection is None else detection.silence_ms
    semantic = detection is not None and detection.semantic
    return {"max_sentence_silence": silence, **({"semantic_punctuation_enabled": True} if semantic else {})}


def _input(setup: turns.Setup) -> _Input:
    takes = live.row(setup.model).context == "rounds"
    return _Input(context_messages(setup.context)) if takes and setup.context else _Input()


def _refused(error: CompatError, message: str, task: _Task) -> turns.Field | None:
    """The field that a failure names, if it was sent and can be left out."""
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


def _words(sentence: _Sentence) -> tuple[turns.TurnWord, ...]:
    return tuple(
        turns.TurnWord(
            f"{word.text or ''}{word.punctuation or ''}",
            round(word.begin_time),
            round(word.begin_time if word.end_time is None else word.end_time),
            sentence.sentence_id,
        )
        for word in sentence.words or ()
    )


def _total(used: list[turns.TurnUsage]) -> turns.TurnUsage | None:
    if not used:
        return None
    if any(each.total_tokens is not None for each in used):
        return turns.TurnUsage(
            input_tokens=sum(each.input_tokens for each in used),
            output_tokens=sum(each.output_tokens for each in used),
            total_tokens=sum(each.total_tokens or 0 for each in used),
        )
    return turns.TurnUsage(seconds=sum(each.seconds or 0.0 for each in used))
