"""Probes of live translation with LiveTranslate, at /api-ws/v1/realtime. They ask for text only, which costs less."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from compat.dashscope_api.calls import Wait
from compat.dashscope_api.live.live_translate import LiveTranslate
from compat.dashscope_api.live.turns import Setup, Translation
from compat.probes.inline import CLIP
from compat.probes.live import COMPLETED, PACE, PATH, PIECE, cleared, code, event_of, transcribed, until
from compat.probes.probe import HALLUCINATED, Found, Probe, Trial, Value, amounts
from compat.probes.steps import Closed, Send, Steps, Unanswered, member, opened, received, refusal

OLDEST = "qwen3-livetranslate-flash-realtime"
FLAT = "qwen3.5-livetranslate-flash-realtime"
NESTED = "qwen3.8-livetranslate-flash-realtime"
FINISHED = 20.0  # seconds to wait for the end of a session
TARGET, OTHER = "es", "ja"
Event = dict[str, Any]


def _session(model: str) -> Steps[None]:
    """Open a session and configure it. Raises Unanswered if that is refused."""
    yield from _open(model)
    event = yield from _updated(model)
    if event.get("type") == "error":
        raise Unanswered(f"the session is refused: {code(event)}")


def _open(model: str) -> Steps[None]:
    refused = yield from opened(f"{PATH}{model}")
    if refused is not None:
        raise Unanswered(refusal(refused))
    yield from until("session.created")


def _updated(model: str, target: str = TARGET) -> Steps[Event]:
    """Configure the session and return the answer: `session.updated` or `error`."""
    setup = Setup(model=model, translation=Translation(target=target, transcript=True))
    yield Send((LiveTranslate(model).setup(setup, "verify-setup"),))
    return (yield from until("session.updated", "error"))[-1]


def _changed(**session: object) -> Steps[Event]:
    """Send these settings and return the answer."""
    yield Send((event_of(type="session.update", event_id="verify-change", session=session),))
    return (yield from until("session.updated", "error"))[-1]


def _appended(pcm: bytes) -> Send:
    dialect = LiveTranslate(FLAT)
    return Send(tuple(dialect.append(pcm[at : at + PIECE], f"verify-{at}") for at in range(0, len(pcm), PIECE)), PACE)


def _finish() -> Steps[tuple[list[Event], bool]]:
    """End the session. Return its events, and whether the end is acknowledged rather than the socket closed."""
    yield Send((LiveTranslate(FLAT).finish("verify-finish"),))
    events: list[Event] = []
    while True:
        event = yield from received(FINISHED)
        if event is None:
            raise Unanswered(f"no end of the session within {FINISHED:.0f} s")
        if isinstance(event, Closed):
            return events, False
        if event.get("type") == "session.finished":
            return events, True
        events.append(event)


def _spoken(trial: Trial) -> Steps[tuple[list[Event], bool]]:
    yield _appended(trial.pcm("speech") + bytes(PIECE * 12))
    return (yield from _finish())


def _speech(trial: Trial) -> Steps[Found]:
    yield from _session(FLAT)
    events, finished = yield from _spoken(trial)
    finals = _of(COMPLETED, events)
    if not finals or not _of("response.done", events):
        raise Unanswered(f"no translation: {_kinds(events)}")
    return Found(
        readings={
            "livetranslate.speech": bool(_of("input_audio_buffer.speech_started", events)),
            "livetranslate.previous_item": bool(_linked(events)),
            "livetranslate.source": _source(events),
            "livetranslate.finished": finished,
            **_done(events),
        },
        observed=amounts(member(_of("response.done", events)[-1], "response", "usage")),
        evidence=_kinds(events),
        heard={FLAT: transcribed(finals)},
    )


def _of(kind: str, events: Iterable[Event]) -> list[Event]:
    return [event for event in events if event.get("type") == kind]


def _kinds(events: Iterable[Event]) -> str:
    """Return the types of events in the order in which they first came, with their numbers."""
    return " ".join(f"{kind}×{count}" for kind, count in Counter(str(event.get("type")) for event in events).items())


def _linked(events: Sequence[Event]) -> list[Event]:
    """Return the items of translations that name the item of their source."""
    sources = {event.get("item_id") for event in _of(COMPLETED, events)}
    items = _of("conversation.item.created", events) + _of("response.output_item.added", events)
    return [event for event in items if event.get("previous_item_id") in sources and _is_answer(event)]


def _is_answer(event: Event) -> bool:
    return bool(member(event, "item", "role") != "user")


def _source(events: Sequence[Event]) -> str:
    """Whether the first text of a source is complete before or after the first translation."""
    order = [event.get("type") for event in events if event.get("type") in (COMPLETED, "response.done")]
    return "before" if order[0] == COMPLETED else "after"


def _done(events: Sequence[Event]) -> dict[str, Value]:
    """Return how the complete text of a response relates to its settled text; nothing if either is missing."""
    settled: dict[object, str] = {}
    for event in _of("response.text.text", events):
        settled[event.get("response_id")] = event.get("text") or ""
    done = _of("response.text.done", events)
    if not done or not any(settled.values()):
        return {}
    if any(not (event.get("text") or "").startswith(settled.get(event.get("response_id"), "")) for event in done):
        return {"livetranslate.done": "contradicted"}
    twice = max(Counter(event.get("response_id") for event in done).values()) > 1
    return {"livetranslate.done": "twice" if twice else "once"}


def _change(trial: Trial) -> Steps[Found]:
    yield from _session(FLAT)
    yield _appended(trial.pcm("silence")[: PIECE * 5])
    event = yield from _updated(FLAT, OTHER)
    fixed = event.get("type") == "error"
    return Found(
        readings={"livetranslate.fixed_configuration": fixed},
        observed="an error" if fixed else "applied",
        evidence=code(event) if fixed else "",
    )


def _clear(trial: Trial) -> Steps[Found]:
    yield from _session(FLAT)
    yield _appended(trial.pcm("silence")[: PIECE * 5])
    return (yield from cleared("livetranslate.clear"))


def _committed(model: str, pcm: bytes) -> Steps[list[Event]]:
    """Commit silence by hand, and return the events that follow."""
    yield from _session(model)
    event = yield from _changed(turn_detection=None)
    if event.get("type") == "error":
        return [event]
    yield _appended(pcm)
    yield Send((event_of(type="input_audio_buffer.commit", event_id="verify-commit"),))
    yield Wait(2.0)
    events, _ = yield from _finish()
    return events


def _manual(trial: Trial) -> Steps[Found]:
    events = yield from _committed(OLDEST, trial.pcm("silence")[: PIECE * 5])
    refused = _of("error", events)
    return Found(
        readings={"livetranslate.manual": not refused},
        observed="refused" if refused else "accepted",
        evidence=code(refused[0]) if refused else _kinds(events),
    )


def _silence(trial: Trial) -> Steps[Found]:
    events = yield from _committed(FLAT, trial.pcm("silence"))
    if refused := _of("error", events):
        raise Unanswered(f"a manual turn is refused: {code(refused[0])}")
    if transcribed(_of(COMPLETED, events)).strip():
        raise Unanswered(HALLUCINATED)
    empty = bool(_of(COMPLETED, events))
    return Found(
        readings={"livetranslate.silent_commit": "empty" if empty else "nothing"},
        observed="an empty transcript" if empty else "no transcript",
        evidence=_kinds(events),
    )


def _voiceless(trial: Trial) -> Steps[Found]:
    """A session without a voice may be refused when it is configured, or when it should answer."""
    yield from _open(NESTED)
    form = {"type": "pcm", "sample_rate": 16_000}
    settings = {
        "output_modalities": ["text"],
        "audio": {"input": {"format": form}},
        "translation": {"language": TARGET},
    }
    refused = yield from _changed(**settings)
    if refused.get("type") == "error":
        yield from _session(NESTED)
    events, _ = yield from _spoken(trial)
    errors = [refused, *events] if refused.get("type") == "error" else events
    errors = _of("error", errors)
    if not errors and not _of("response.done", events):
        raise Unanswered(f"no translation: {_kinds(events)}")
    return Found(
        readings={"livetranslate.default_voice": not errors},
        observed="fails" if errors else "works",
        evidence=f"{code(errors[0])}; {_kinds(events)}" if errors else _kinds(events),
    )


PROBES = (
    Probe(
        name="translate-speech",
        question="In which order do the source and its translation come, and what links them?",
        readings=(
            "livetranslate.speech",
            "livetranslate.previous_item",
            "livetranslate.source",
            "livetranslate.done",
            "livetranslate.finished",
        ),
        model=FLAT,
        seconds=CLIP + 2,
        waits=15.0,
        run=_speech,
    ),
    Probe(
        name="translate-update",
        question="Can the target language change after the first audio?",
        readings=("livetranslate.fixed_configuration",),
        model=FLAT,
        seconds=0.5,
        run=_change,
    ),
    Probe(
        name="translate-clear",
        question="Is input_audio_buffer.clear supported in live translation?",
        readings=("livetranslate.clear",),
        model=FLAT,
        seconds=0.5,
        run=_clear,
    ),
    Probe(
        name="translate-commit",
        question="May the client end turns of qwen3-livetranslate?",
        readings=("livetranslate.manual",),
        model=OLDEST,
        seconds=0.5,
        waits=4.0,
        run=_manual,
    ),
    Probe(
        name="translate-silence",
        question="What follows a manual commit of silence in live translation?",
        readings=("livetranslate.silent_commit",),
        model=FLAT,
        seconds=2.0,
        waits=6.0,
        run=_silence,
    ),
    Probe(
        name="translate-voice",
        question="Does qwen3.8-livetranslate work without a voice, and with which events?",
        readings=("livetranslate.default_voice",),
        model=NESTED,
        seconds=CLIP + 2,
        waits=15.0,
        run=_voiceless,
    ),
)
