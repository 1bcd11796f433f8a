"""Conversations with the bridge: steps, and the actions that answer each step, one per line.

< …    a frame to the client            > …    a frame to the service
open/close/read/hang up                 the other actions, except Wake, whose time is in `alarm`
"""

from __future__ import annotations

import base64
import itertools
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from compat.bridge import Bridge
from compat.bridge.actions import (
    Action,
    CheckVocabulary,
    CloseUpstream,
    Hangup,
    OpenUpstream,
    Play,
    Reading,
    ToClient,
    ToUpstream,
    Translate,
    Wake,
)
from compat.bridge.limits import SessionLimits
from compat.catalogue.live import find
from compat.errors import CompatError, ModelNotFound, ServiceUnavailable
from compat.openai_api.realtime.opening import Opening
from compat.openai_api.realtime.patch import Patch

NATIVE = "qwen3-asr-flash-realtime"
Step = Callable[["Stage"], list[Action]]


def resolve(name: str) -> str:
    if find(name):
        return name
    if name in ("whisper-1", "gpt-4o-transcribe", "gpt-realtime-whisper", "gpt-live-transcribe"):
        return NATIVE
    raise ModelNotFound(f"The model '{name}' is not known here.")


def counting() -> Callable[[str], str]:
    counts: Counter[str] = Counter()

    def ids(kind: str) -> str:
        counts[kind] += 1
        return f"{kind}_{counts[kind]}"

    return ids


class Stage:
    """A bridge and its clock. `later` advances `now`. Frames to the service drain at once unless `drain` is False."""

    def __init__(
        self,
        opening: Opening | None = None,
        *,
        limits: SessionLimits | None = None,
        configured: Patch | None = None,
        drain: bool = True,
        preferred: str = NATIVE,
    ) -> None:
        self.now = 1000.0
        self.drain = drain
        self.alarm: float | None = None
        self.sound = b""
        self.frames: list[dict[str, Any]] = []
        self.upward: list[dict[str, Any]] = []
        self.bridge = Bridge(
            opening or Opening(),
            resolve=resolve,
            ids=counting(),
            expires_at=1_800_000_000,
            configured=() if configured is None else (configured,),
            limits=limits,
            preferred=preferred,
        )

    def step(self, step: Step) -> list[str]:
        """Take a step, and return the bridge's actions, one line each."""
        return list(itertools.chain.from_iterable(self._perform(step(self))))

    def ring(self) -> list[Action]:
        """Wake the bridge, and check that it does not ask to be woken for the same time again."""
        self.alarm = None
        actions = self.bridge.tick(self.now)
        wakes = [action.at for action in actions if isinstance(action, Wake)]
        assert all(at > self.now for at in wakes)
        return actions

    def _perform(self, actions: list[Action]) -> list[list[str]]:
        lines = [self._line(action) for action in actions]
        if self.drain and any(isinstance(action, ToUpstream) for action in actions):
            lines += self._perform(self.bridge.upstream_drained(self.now))
        return lines

    def _line(self, action: Action) -> list[str]:  # noqa: C901 - one case for each action
        match action:
            case ToClient(text):
                frame = json.loads(text)
                self.frames.append(frame)
                return [f"< {_client_line(frame)}"]
            case ToUpstream(frame=text):
                event = json.loads(text)
                self.upward.append(event)
                return [f"> {self._service_line(event)}"]
            case OpenUpstream(model):
                return ["open" if model == NATIVE else f"open {model}"]
            case CloseUpstream():
                return ["close"]
            case Reading(on):
                return [f"read {'on' if on else 'off'}"]
            case Hangup(code, _):
                return [f"hang up {code}"]
            case Play(pcm):
                return [f"play {len(pcm) / 48:.0f} ms"]
            case Translate(ticket, text, target):
                return [f"translate {ticket} into {target}: {text}"]
            case CheckVocabulary(vocabulary_id, model):
                return [f"check {vocabulary_id} for {model}"]
            case Wake(at):
                self.alarm = at
                return []

    def _service_line(self, event: dict[str, Any]) -> str:
        match event["type"]:
            case "session.update":
                return _setup(event["session"])
            case "input_audio_buffer.append":
                sound = base64.b64decode(event["audio"])
                self.sound += sound
                return f"audio {len(sound)}"
            case kind:
                return str(kind).removeprefix("input_audio_buffer.").removeprefix("session.")


def _setup(session: dict[str, Any]) -> str:
    turns, transcription = session["turn_detection"], session["input_audio_transcription"]
    parts = [f"setup {session['input_audio_format']}/{session['sample_rate']}"]
    parts.append(f"vad {turns['threshold']}/{turns['silence_duration_ms']}" if turns else "manual")
    if "language" in transcription:
        parts.append(transcription["language"])
    if "corpus" in transcription:
        parts.append(repr(transcription["corpus"]["text"]))
    return " ".join(parts)


def _client_line(frame: dict[str, Any]) -> str:
    kind = frame["type"].removeprefix("conversation.item.input_audio_transcription.")
    kind = kind.removeprefix("input_audio_buffer.").removeprefix("conversation.")
    match kind:
        case "speech_started":
            return f"{kind} {frame['item_id']} {frame['audio_start_ms']}"
        case "speech_stopped":
            return f"{kind} {frame['item_id']} {frame['audio_end_ms']}"
        case "committed":
            return f"{kind} {frame['item_id']} after {frame['previous_item_id']}"
        case "item.created" | "item.added" | "item.done":
            return f"{kind} {frame['item']['id']}"
        case "delta":
            return f"{kind} {frame['item_id']} {frame['delta']!r}"
        case "completed":
            usage = frame["usage"]
            return (
                f"{kind} {frame['item_id']} {frame['transcript']!r} {usage.get('seconds', usage.get('total_tokens'))}"
            )
        case "failed":
            return f"{kind} {frame['item_id']} {frame['error']['code']}"
        case "error":
            error = frame["error"]
            return f"error {error['code']} {error['param']} {error['event_id']}"
        case _:
            return str(kind)


# --- steps ---


def start(stage: Stage) -> list[Action]:
    return stage.bridge.start(stage.now)


def opened(stage: Stage) -> list[Action]:
    return stage.bridge.upstream_opened(stage.now)


def closed(stage: Stage) -> list[Action]:
    return stage.bridge.client_closed(stage.now)


def drained(stage: Stage) -> list[Action]:
    return stage.bridge.upstream_drained(stage.now)


def stalled(stage: Stage) -> list[Action]:
    return stage.bridge.client_closed(stage.now, Hangup(1008, "The caller does not read what is sent."))


def lost(error: CompatError | None = None) -> Step:
    return lambda stage: stage.bridge.upstream_lost(error or ServiceUnavailable("cut"), stage.now)


def later(seconds: float) -> Step:
    """Let time pass, and wake the bridge at its alarm."""

    def pass_time(stage: Stage) -> list[Action]:
        stage.now += seconds
        if stage.alarm is None or stage.alarm > stage.now:
            return []
        return stage.ring()

    return pass_time


def shutdown(grace: float) -> Step:
    return lambda stage: stage.bridge.shutdown(grace, stage.now)


def raw(text: str | bytes) -> Step:
    def say(stage: Stage) -> list[Action]:
        actions = stage.bridge.from_client(text, stage.now)
        while stage.bridge.more:
            actions += stage.bridge.from_client_more(stage.now)
        return actions

    return say


def client(kind: str, **fields: object) -> Step:
    return raw(json.dumps({"type": kind, **fields}))


def sound(ms: int, rate: int = 16000, width: int = 2) -> bytes:
    return bytes(ms * rate // 1000 * width)


def append(data: bytes | int) -> Step:
    """Append this audio, or this many ms of silence at 16 kHz."""
    pcm = sound(data) if isinstance(data, int) else data
    return client("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())


commit = client("input_audio_buffer.commit")
clear = client("input_audio_buffer.clear")


def update(**audio_input: object) -> Step:
    """Send a GA update. Most tables use 16 kHz, so that audio is passed on unchanged."""
    return client("session.update", session={"type": "transcription", "audio": {"input": audio_input}})


PCM_16K = {"type": "audio/pcm", "rate": 16000}


def service(kind: str, **fields: object) -> Step:
    return lambda stage: stage.bridge.from_upstream(json.dumps({"type": kind, **fields}), stage.now)


def started(turn: str, at_ms: int) -> Step:
    return service("input_audio_buffer.speech_started", item_id=turn, audio_start_ms=at_ms)


def stopped(turn: str, at_ms: int) -> Step:
    return service("input_audio_buffer.speech_stopped", item_id=turn, audio_end_ms=at_ms)


def committed(turn: str) -> Step:
    return service("input_audio_buffer.committed", item_id=turn)


def text(turn: str, said: str, stash: str = "", **fields: object) -> Step:
    return service("conversation.item.input_audio_transcription.text", item_id=turn, text=said, stash=stash, **fields)


def final(turn: str, transcript: str, **fields: object) -> Step:
    return service(
        "conversation.item.input_audio_transcription.completed", item_id=turn, transcript=transcript, **fields
    )


def failed(turn: str, code: str) -> Step:
    return service(
        "conversation.item.input_audio_transcription.failed", item_id=turn, error={"code": code, "message": "no"}
    )


finished = service("session.finished")
created = service("session.created", session={"id": "s"})


def refusal(about: str | None = None, **fields: object) -> Step:
    return service("error", error={"type": "invalid_request_error", "event_id": about, **fields})


Conversation = list[tuple[Step, list[str]]]

NEW = ["< committed item_1 after None", "< item.added item_1", "< item.done item_1"]
SECOND = ["< committed item_2 after item_1", "< item.added item_2", "< item.done item_2"]
SETUP = "> setup pcm/16000 vad 0.2/500"
JOINED = "> setup pcm/16000 vad 0.0/800"


def spoken(turn: str, item: str, said: str, after: str | None, start_ms: int, end_ms: int) -> Conversation:
    """A detected turn from its beginning to its end, of a session without prefix padding."""
    return [
        (started(turn, start_ms), [f"< speech_started {item} {start_ms}"]),
        (
            stopped(turn, end_ms),
            [
                f"< speech_stopped {item} {end_ms}",
                *(f"< committed {item} after {after}", f"< item.added {item}", f"< item.done {item}"),
            ],
        ),
        (committed(turn), []),
        (final(turn, said), [f"< delta {item} {said!r}", f"< completed {item} {said!r} {(end_ms - start_ms) / 1000}"]),
    ]


NO_PADDING = {"type": "server_vad", "prefix_padding_ms": 0}
DETECTED, BY_HAND, GERMAN = (
    update(turn_detection=NO_PADDING),
    update(turn_detection=None),
    update(transcription={"language": "de"}),
)
UPDATED = ["< session.updated"]


def play(stage: Stage, conversation: Conversation) -> None:
    for number, (step, expected) in enumerate(conversation):
        actions = stage.step(step)
        assert actions == expected, f"step {number} of the conversation causes {actions}, not {expected}"


def ready(stage: Stage, **audio_input: object) -> Stage:
    """Configure and connect a session."""
    for step in (start, update(**{"format": PCM_16K, **audio_input}), opened, created):
        stage.step(step)
    return stage


def detecting() -> Stage:
    """A session in which the service detects turns."""
    return ready(Stage(), turn_detection=NO_PADDING)


def by_hand() -> Stage:
    """A session in which the client ends its turns."""
    return ready(Stage(), turn_detection=None)


def live() -> Stage:
    """A session in which the client ends its turns, with deltas during each turn."""
    return ready(Stage(), transcription={"model": "gpt-live-transcribe"})
