"""Probes of live speech with run-task, at /api-ws/v1/inference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import msgspec

from compat.probes.inline import CLIP, acting
from compat.probes.live import PACE, PIECE, TASKS
from compat.probes.probe import HALLUCINATED, NAME, SILENCE, Found, Probe, Trial, Value, amounts, members
from compat.probes.steps import Closed, Send, Steps, Unanswered, member, opened, received, refusal

MODEL = "qwen-audio-3.1-asr-flash-streaming"
MESSAGE, FUN = "qwen-audio-3.1-asr-flash-message", "fun-asr-realtime"
OTHERS = ("qwen-audio-3.0-asr-flash-streaming", "fun-asr-realtime", "paraformer-realtime-v2")
ANSWER = 15.0  # seconds to wait for an event
NO_DATA = 30.0  # seconds without a message; the documents name 23
SILENT = {"EmptyAudio": "empty_audio", "NO_VALID_AUDIO_ERROR": "no_valid_audio"}
Event = dict[str, Any]


def run(trial: Trial, model: str = MODEL, context: Sequence[Any] = (), **parameters: object) -> Steps[str]:
    """Start a task on the open socket and return its id. Raises Unanswered if it is refused."""
    task_id = trial.token()
    yield Send((_run(task_id, model, context, parameters),))
    event = (yield from until("task-started"))[-1]
    if isinstance(event, Closed) or kind(event) != "task-started":
        raise Unanswered(f"the task is refused: {ending(event)}")
    return task_id


def begun(trial: Trial, model: str = MODEL, context: Sequence[Any] = (), **parameters: object) -> Steps[str]:
    """Open a socket and start a task on it."""
    refused = yield from opened(TASKS)
    if refused is not None:
        raise Unanswered(refusal(refused))
    return (yield from run(trial, model, context, **parameters))


def _run(task_id: str, model: str, context: Sequence[Any], parameters: dict[str, object]) -> str:
    payload = {
        "task_group": "audio",
        "task": "asr",
        "function": "recognition",
        "model": model,
        "parameters": {"format": "pcm", "sample_rate": 16000, **parameters},
        "input": {"context": context} if context else {},
    }
    return _action("run-task", task_id, payload)


def _finish(task_id: str) -> str:
    return _action("finish-task", task_id, {"input": {}})


def _action(action: str, task_id: str, payload: object) -> str:
    header = {"action": action, "task_id": task_id, "streaming": "duplex"}
    return msgspec.json.encode({"header": header, "payload": payload}).decode()


def pieces(pcm: bytes) -> tuple[bytes, ...]:
    return tuple(pcm[at : at + PIECE] for at in range(0, len(pcm), PIECE))


def until(*kinds: str) -> Steps[list[Event | Closed]]:
    """Return the events up to one of these kinds, task-failed, or the end of the connection."""
    events: list[Event | Closed] = []
    while True:
        event = yield from received(ANSWER)
        if event is None:
            raise Unanswered(f"no {' or '.join(kinds)} within {ANSWER:.0f} s")
        events.append(event)
        if isinstance(event, Closed) or kind(event) in (*kinds, "task-failed"):
            return events


def kind(event: Event | Closed | None) -> str:
    return str(member(event, "header", "event"))


def ending(event: Event | Closed) -> str:
    """Describe the last event of a task."""
    if isinstance(event, Closed):
        return f"closed with {event.code}"
    return f"{kind(event)} {member(event, 'header', 'error_code') or ''}".strip()


def final(event: Event | Closed) -> Event | None:
    """Return the sentence of a final result, and None for any other event."""
    sentence: Event | None = member(event, "payload", "output", "sentence")
    if not sentence or sentence.get("heartbeat"):
        return None
    return sentence if sentence.get("sentence_end") or sentence.get("end_time") is not None else None


def transcript_of(events: Iterable[Event | Closed]) -> str:
    """Return the text of all sentences, each as it was first."""
    texts: dict[object, str] = {}
    for event in events:
        if sentence := final(event):
            texts.setdefault(sentence.get("sentence_id"), str(sentence.get("text") or ""))
    return " ".join(texts.values())


def _spoken(trial: Trial, task_id: str) -> Steps[list[Event | Closed]]:
    """Send the speech at its own pace, finish the task and return its events."""
    yield Send(pieces(trial.pcm("speech") + bytes(PIECE * 16)), PACE)
    yield Send((_finish(task_id),))
    return (yield from until("task-finished"))


def _finished(events: Sequence[Event | Closed]) -> None:
    if kind(events[-1]) != "task-finished":
        raise Unanswered(f"the task ended with {ending(events[-1])}")


def _sentences(trial: Trial) -> Steps[Found]:
    """A second task on the same socket shows what was still to come of the first, and which numbers restart."""
    task_id = yield from begun(trial)
    events = yield from _spoken(trial, task_id)
    _finished(events)
    following = trial.token()
    yield Send((_run(following, MODEL, (), {}),))
    started = yield from until("task-started")
    second = yield from _spoken(trial, following)
    late = [event for event in [*started, *second] if member(event, "header", "task_id") == task_id]
    again = [event for event in second if event not in late]
    results = [event for event in [*events, *late] if final(event)]
    if not results:
        raise Unanswered("no final result")
    usage = member(results[-1], "payload", "usage")
    return Found(
        readings=sentence_readings(results) | {"inference.late_final": any(final(event) for event in late)},
        observed=f"{len(results)} final results; {amounts(usage)}; next task: {restarts(again)}",
        evidence=f"sentence: {members(final(results[-1]))}; usage: {[units(event) for event in results]}",
        heard={MODEL: transcript_of(results)},
    )


def sentence_readings(results: Sequence[Event | Closed]) -> dict[str, Value]:
    """Return the readings that final results decide: their sign, how often they come, and their usage."""
    found: dict[str, Value] = {}
    by_sentence: dict[object, list[Event | Closed]] = {}
    signs = set()
    for event in results:
        sentence = final(event) or {}
        by_sentence.setdefault(sentence.get("sentence_id"), []).append(event)
        signs.add((bool(sentence.get("sentence_end")), sentence.get("end_time") is not None))
    names = {(True, True): "both", (True, False): "sentence_end", (False, True): "end_time"}
    if len(signs) == 1:
        found["inference.final_sign"] = names[signs.pop()]
    texts = [[(final(event) or {}).get("text") for event in same] for same in by_sentence.values()]
    revised = any(len(set(same)) > 1 for same in texts)
    found["inference.finals"] = "revised" if revised else "twice" if any(same[1:] for same in texts) else "once"
    counts = [count for same in by_sentence.values() if (count := units(same[0])) is not None]
    if 1 < len(counts) == len(by_sentence):
        found["inference.usage"] = "cumulative" if counts[0] < counts[-1] else "sentence"
    return found


def restarts(events: Iterable[Event | Closed]) -> str:
    """Describe the first sentence of a second task on the same socket."""
    sentence = next((found for event in events if (found := final(event))), None)
    if sentence is None:
        return "no sentence"
    return f"begins with sentence {sentence.get('sentence_id')} at {sentence.get('begin_time')} ms"


def units(event: Event | Closed) -> float | None:
    """Return the billed units of a result: input tokens, or seconds. The speech ends with its shortest sentence."""
    usage = member(event, "payload", "usage")
    count = member(usage, "input_tokens")
    if count is None:
        count = member(usage, "duration")
    return None if count is None else float(count)


def _parameters(trial: Trial) -> Steps[Found]:
    """A task without audio. It costs nothing."""
    yield from begun(trial)
    try:
        yield from begun(trial, no_such_parameter=True)
    except Unanswered as exc:
        return Found(readings={"inference.unknown_parameters": "refused"}, observed="refused", evidence=str(exc))
    return Found(readings={"inference.unknown_parameters": "ignored"}, observed="ignored")


def _silence(trial: Trial) -> Steps[Found]:
    """Speech follows the silence: its text shows that the task goes on."""
    task_id = yield from begun(trial)
    yield Send(pieces(bytes(round(trial.silence * 32_000))), PACE)
    return _outcome("inference.silence", (yield from _spoken(trial, task_id)))


def _no_data(trial: Trial) -> Steps[Found]:
    task_id = yield from begun(trial)
    yield Send(pieces(trial.pcm("silence")[: PIECE * 5]), PACE)
    events: list[Event | Closed] = []
    event = yield from received(NO_DATA, quiet=True)
    if event is not None:
        events.append(event)
    if not events or not (isinstance(event, Closed) or kind(event) == "task-failed"):
        events += yield from _spoken(trial, task_id)
    return _outcome("inference.no_data", events)


def _outcome(name: str, events: Sequence[Event | Closed]) -> Found:
    last = events[-1]
    outcome = "closed" if isinstance(last, Closed) else "failed" if kind(last) == "task-failed" else "kept"
    if outcome == "kept" and not transcript_of(events):
        raise Unanswered("the speech afterwards was not recognised")
    return Found(readings={name: outcome}, observed=outcome, evidence=ending(last))


def _silent(trial: Trial) -> Steps[Found]:
    task_id = yield from begun(trial)
    yield Send((*pieces(trial.pcm("silence")), _finish(task_id)), PACE)
    events = yield from until("task-finished")
    last = events[-1]
    if transcript_of(events).strip():
        raise Unanswered(HALLUCINATED)
    outcome = SILENT.get(str(member(last, "header", "error_code")))
    if outcome is None and kind(last) == "task-finished":
        outcome = "finished"
    if outcome is None:
        raise Unanswered(ending(last))
    return Found(readings={"inference.silent_task": outcome}, observed=outcome, evidence=ending(last))


def _hints(trial: Trial) -> Steps[Found]:
    """Context and hot words, one task each on a socket of its own."""
    message = {"role": "user", "content": [{"type": "input_text", "text": f"Names: {NAME}"}]}
    seen = []
    for place, context, parameters in (
        ("input.context", [message], {}),
        ("parameters.vocabulary", [], {"vocabulary": dict.fromkeys(NAME.split(), 5)}),
    ):
        try:
            task_id = yield from begun(trial, MODEL, context, **parameters)
            seen.append(acting(place, transcript_of((yield from _spoken(trial, task_id)))).observed)
        except Unanswered as exc:
            seen.append(f"{place}: {exc}")
    return Found(observed="; ".join(seen))


def _other(trial: Trial, *, model: str) -> Steps[Found]:
    task_id = yield from begun(trial, model)
    events = yield from _spoken(trial, task_id)
    _finished(events)
    usage = next((member(event, "payload", "usage") for event in reversed(events) if final(event)), None)
    return Found(observed=amounts(usage), heard={model: transcript_of(events)})


def _starts(trial: Trial) -> Steps[Found]:
    """Tasks without audio, which cost nothing: what is refused at their start."""
    seen = []
    hints = ["zh", "en", "ja", "ko"]
    long = [{"role": "user", "content": [{"type": "input_text", "text": "word " * 400}]}]
    for what, model, context, parameters in (
        ("language_hints of the message model", MESSAGE, (), {"language_hints": hints[:1]}),
        ("four language_hints of fun-asr-realtime", FUN, (), {"language_hints": hints}),
        ("8 kHz for fun-asr-realtime", FUN, (), {"sample_rate": 8000}),
        ("a hot word of weight 51", MODEL, (), {"vocabulary": {"Kaitlynn": 51}}),
        ("a context of 2000 characters", MODEL, long, {}),
        ("diarization_enabled", MODEL, (), {"diarization_enabled": True}),
    ):
        try:
            yield from begun(trial, model, context, **parameters)
        except Unanswered:
            seen.append(f"{what}: refused")
        else:
            seen.append(f"{what}: accepted")
    return Found(observed="; ".join(seen))


def _pauses(trial: Trial) -> Steps[Found]:
    """The pause in the speech is shorter than 3 s, and longer than the default of 1.3 s."""
    task_id = yield from begun(trial, max_sentence_silence=3000)
    events = yield from _spoken(trial, task_id)
    _finished(events)
    sentences = len({sentence.get("sentence_id") for event in events if (sentence := final(event))})
    return Found(observed=f"3000 ms: {sentences} sentence{'s' if sentences != 1 else ''} of the two")


PROBES = (
    Probe(
        name="tasks-sentences",
        question="How are final results of run-task marked, repeated, ordered and counted?",
        readings=(
            "inference.final_sign",
            "inference.finals",
            "inference.late_final",
            "inference.usage",
        ),
        model=MODEL,
        seconds=2 * (CLIP + 2),
        waits=30.0,
        run=_sentences,
    ),
    Probe(
        name="tasks-pauses",
        question="Does max_sentence_silence govern sentences of qwen-audio-3.1?",
        model=MODEL,
        seconds=CLIP + 2,
        waits=15.0,
        run=_pauses,
    ),
    Probe(
        name="tasks-starts",
        question="Which hints, rates, weights and contexts of a task are refused?",
        run=_starts,
    ),
    Probe(
        name="tasks-parameters",
        question="Are unknown parameters of run-task refused?",
        readings=("inference.unknown_parameters",),
        run=_parameters,
    ),
    Probe(
        name="tasks-silence",
        question="What follows a minute of silence in a task?",
        readings=("inference.silence",),
        model=MODEL,
        seconds=SILENCE + CLIP + 2,
        waits=SILENCE + 15,
        run=_silence,
    ),
    Probe(
        name="tasks-no-data",
        question="What follows 23 s without audio in a task?",
        readings=("inference.no_data",),
        model=MODEL,
        seconds=CLIP + 3,
        waits=NO_DATA + 15,
        run=_no_data,
    ),
    Probe(
        name="tasks-silent",
        question="How does a task without speech end?",
        readings=("inference.silent_task",),
        model=MODEL,
        seconds=2.0,
        run=_silent,
    ),
    Probe(
        name="tasks-hints",
        question="Do context and hot words act in tasks?",
        model=MODEL,
        seconds=2 * (CLIP + 2),
        waits=30.0,
        run=_hints,
    ),
    *(
        Probe(
            name=model,
            question="Does it recognise, and in which unit is its usage?",
            model=model,
            seconds=CLIP + 2,
            waits=15.0,
            run=partial(_other, model=model),
        )
        for model in OTHERS
    ),
)
