"""Probes of live speech with qwen3-asr-flash-realtime, at /api-ws/v1/realtime."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from compat.dashscope_api.calls import Reply, Wait
from compat.dashscope_api.live.realtime import RealtimeSession
from compat.dashscope_api.live.turns import Detection, Setup
from compat.probes.inline import CLIP, acting
from compat.probes.probe import HALLUCINATED, NAME, Found, Probe, Trial, Value, amounts, members
from compat.probes.steps import Closed, Open, Ping, Pong, Send, Steps, Unanswered, member, opened, received, refusal

MODEL = "qwen3-asr-flash-realtime"
PATH = "/api-ws/v1/realtime?model="
TASKS = "/api-ws/v1/inference"
PIECE = 3200  # bytes: 100 ms
PACE = 0.1  # seconds
ANSWER = 15.0  # seconds to wait for an event
DIALECT = RealtimeSession()
VAD = Detection(0.2, 800)
TEXT = "conversation.item.input_audio_transcription.text"
COMPLETED = "conversation.item.input_audio_transcription.completed"
Event = dict[str, Any]


def session(*, detection: Detection | None = None, context: str = "") -> Steps[None]:
    """Open a session and configure it. Raises Unanswered if that is refused."""
    yield from _open(MODEL)
    event = yield from _updated(detection, context)
    if event.get("type") == "error":
        raise Unanswered(f"the session is refused: {code(event)}")


def _open(model: str) -> Steps[None]:
    refused = yield from opened(f"{PATH}{model}")
    if refused is not None:
        raise Unanswered(refusal(refused))
    yield from until("session.created")


def _updated(detection: Detection | None, context: str = "") -> Steps[Event]:
    """Configure the session and return the answer: `session.updated` or `error`."""
    setup = Setup(model=MODEL, context=context, detection=detection)
    yield Send((DIALECT.setup(setup, "verify-setup"),))
    return (yield from until("session.updated", "error"))[-1]


def until(*kinds: str) -> Steps[list[Event]]:
    """Return the events up to the first of these types. Raises Unanswered if it does not come."""
    events: list[Event] = []
    while True:
        event = yield from received(ANSWER)
        if event is None:
            raise Unanswered(f"no {' or '.join(kinds)} within {ANSWER:.0f} s")
        if isinstance(event, Closed):
            raise Unanswered(f"closed with {event.code} before {' or '.join(kinds)}")
        events.append(event)
        if event.get("type") in kinds:
            return events


def code(event: Event) -> str:
    return str(member(event, "error", "code") or member(event, "error", "type") or "no code")


def appends(pcm: bytes) -> tuple[str, ...]:
    return tuple(DIALECT.append(pcm[at : at + PIECE], f"verify-{at}") for at in range(0, len(pcm), PIECE))


def spoken(trial: Trial) -> Steps[list[Event]]:
    """Send the speech at its own pace, end the session and return the events."""
    yield Send(appends(trial.pcm("speech") + bytes(PIECE * 12)), PACE)
    yield Send((DIALECT.finish("verify-finish"),))
    return (yield from until("session.finished"))


def _speech(trial: Trial) -> Steps[Found]:
    yield from session(detection=VAD)
    events = yield from spoken(trial)
    finals = [event for event in events if event.get("type") == COMPLETED]
    if not finals:
        raise Unanswered("no transcript")
    snapshots = [event for event in events if event.get("type") == TEXT]
    usage = finals[-1].get("usage")
    return Found(
        readings={"live.usage": usage is not None, **settled(snapshots, finals)},
        observed=f"{amounts(usage)}; completed: {members(finals[-1])}",
        evidence=f"{len(snapshots)} snapshots, {len(finals)} turns",
        heard={MODEL: transcribed(finals)},
    )


def transcribed(finals: Iterable[Event]) -> str:
    return " ".join(str(event.get("transcript") or "") for event in finals)


def settled(snapshots: Sequence[Event], finals: Sequence[Event]) -> dict[str, Value]:
    """Return the reading of `text` in the snapshots of all turns. Without partial words it is not decided."""
    if not any(event.get("text") or event.get("stash") for event in snapshots):
        return {}
    turns: dict[object, list[str]] = {}
    for event in snapshots:
        turns.setdefault(event.get("item_id"), []).append(event.get("text") or "")
    for event in finals:
        turns.setdefault(event.get("item_id"), []).append(event.get("transcript") or "")
    if not any(text for texts in turns.values() for text in texts[:-1]):
        return {"live.text": "at_end"}
    kept = all(_stem(after).startswith(_stem(before)) for texts in turns.values() for before, after in pairwise(texts))
    return {"live.text": "prefix" if kept else "revised"}


def _stem(text: str) -> str:
    """Return a text without the punctuation at its end, which may change when words follow."""
    return text.rstrip(" ,.;:!?，。；：！？")


def _silent_commit(trial: Trial) -> Steps[Found]:
    yield from session()
    yield Send(appends(trial.pcm("silence")), PACE)
    yield Send((DIALECT.commit("verify-commit"),))
    yield Wait(2.0)
    yield Send((DIALECT.finish("verify-finish"),))
    events = yield from until("session.finished")
    kinds = [str(event.get("type")) for event in events[:-1]]
    if transcribed(event for event in events if event.get("type") == COMPLETED).strip():
        raise Unanswered(HALLUCINATED)
    empty = COMPLETED in kinds
    if not empty and kinds:
        raise Unanswered(f"a silent commit causes {' '.join(kinds)}")
    return Found(
        readings={"live.silent_commit": "empty" if empty else "nothing"},
        observed="an empty transcript" if empty else "no event",
        evidence=" ".join(kinds),
    )


def _clear(trial: Trial) -> Steps[Found]:
    yield from session()
    yield Send(appends(trial.pcm("silence")[: PIECE * 5]))
    return (yield from cleared("live.clear"))


def cleared(reading: str) -> Steps[Found]:
    """Clear the audio of an open session, and decide this reading."""
    yield Send((event_of(type="input_audio_buffer.clear", event_id="verify-clear"),))
    event = (yield from until("input_audio_buffer.cleared", "error"))[-1]
    supported = event.get("type") != "error"
    return Found(
        readings={reading: supported},
        observed="cleared" if supported else "an error",
        evidence="" if supported else code(event),
    )


def event_of(**members: object) -> str:
    return msgspec.json.encode(members).decode()


def _corpus(trial: Trial) -> Steps[Found]:
    yield from _open(MODEL)
    event = yield from _updated(VAD, f"Names: {NAME}")
    if event.get("type") == "error":
        return Found(readings={"live.context": False}, observed="corpus is refused", evidence=code(event))
    finals = [event for event in (yield from spoken(trial)) if event.get("type") == COMPLETED]
    return Found(
        readings={"live.context": True}, observed=f"accepted; {acting('corpus', transcribed(finals)).observed}"
    )


def _change(trial: Trial) -> Steps[Found]:
    yield from session(detection=VAD)
    yield Send(appends(trial.pcm("silence")[: PIECE * 5]), PACE)
    event = yield from _updated(Detection(VAD.threshold, VAD.silence_ms * 2))
    fixed = event.get("type") == "error"
    return Found(
        readings={"live.fixed_configuration": fixed},
        observed="an error" if fixed else "applied",
        evidence=code(event) if fixed else "",
    )


def _pong(_: Trial) -> Steps[Found]:
    """The ping is sent before a request, so that a pong arrives before its answer."""
    yield from _open(MODEL)
    yield Ping()
    yield from _updated(VAD)
    answered: bool = yield Pong(5.0)
    return Found(readings={"pongs": answered}, observed="answered" if answered else "not answered within 5 s")


def _closes(_: Trial) -> Steps[Found]:
    """Close codes: of an unknown model, of a binary frame, of a finished session, and of text in run-task."""
    seen = [f"unknown model: {(yield from _end(f'{PATH}no-such-model'))}"]
    seen.append(f"binary frame: {(yield from _end(f'{PATH}{MODEL}', bytes(PIECE)))}")
    seen.append(f"session.finish: {(yield from _end(f'{PATH}{MODEL}', DIALECT.finish('verify-finish')))}")
    seen.append(f"invalid run-task: {(yield from _end(TASKS, '{}'))}")
    return Found(observed="; ".join(seen))


def _end(path: str, *frames: str | bytes) -> Steps[str]:
    refused: Reply | None = yield Open(path)
    if refused is not None:
        return refusal(refused)
    yield Send(frames)
    for _ in range(10):
        event = yield from received(5.0, quiet=True)
        if event is None:
            return "stays open"
        if isinstance(event, Closed):
            return f"closed with {event.code}"
    return "stays open"


PROBES = (
    Probe(
        name="live-text",
        question="Is `text` of live speech final, and does `completed` have a usage?",
        readings=("live.text", "live.usage"),
        model=MODEL,
        seconds=CLIP + 2,
        waits=15.0,
        run=_speech,
    ),
    Probe(
        name="live-silence",
        question="What follows a manual commit of silence?",
        readings=("live.silent_commit",),
        model=MODEL,
        seconds=2.0,
        run=_silent_commit,
    ),
    Probe(
        name="live-clear",
        question="Is input_audio_buffer.clear supported?",
        readings=("live.clear",),
        model=MODEL,
        seconds=0.5,
        run=_clear,
    ),
    Probe(
        name="live-corpus",
        question="Is corpus accepted in live sessions, and does it act?",
        readings=("live.context",),
        model=MODEL,
        seconds=CLIP + 2,
        waits=15.0,
        run=_corpus,
    ),
    Probe(
        name="live-update",
        question="Can a live session be changed after the first audio?",
        readings=("live.fixed_configuration",),
        model=MODEL,
        seconds=0.5,
        run=_change,
    ),
    Probe(
        name="live-pong",
        question="Are WebSocket pings answered?",
        readings=("pongs",),
        run=_pong,
    ),
    Probe(
        name="live-close",
        question="With which codes does the service close live sessions?",
        run=_closes,
    ),
)
