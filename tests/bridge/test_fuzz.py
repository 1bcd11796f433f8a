"""Random events of both sides in any order: the bridge continues, and its output consists of valid events."""

from __future__ import annotations

import base64
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from compat.errors import BadRequest, ServiceTimedOut, ServiceUnavailable
from compat.openai_api.realtime.opening import opening
from tests.bridge.schedule import conversations
from tests.bridge.stage import counting, resolve
from tests.bridge.tasks import TaskWire

PATIENT = conversations(200)
Json: TypeAlias = Any

plain = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=6)
anything = st.recursive(plain, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=4), part, max_size=3), max_leaves=6)  # fmt: skip  # noqa: E501
few: st.SearchStrategy[Json] = (
    st.sampled_from([0, 1, -1, 0.5, 200, 8000, 24000, "", "x", None, True, [], {}, ["en"], "en", "de"]) | anything
)
sound = st.binary(max_size=400).map(base64.b64encode).map(bytes.decode) | st.just(
    base64.b64encode(bytes(9600)).decode()
)
forms = st.sampled_from(["pcm16", "g711_ulaw", "g711_alaw", "opus", "audio/pcm", "audio/pcmu", "audio/opus"])


def some(**fields: st.SearchStrategy[Json]) -> st.SearchStrategy[dict[str, Json]]:
    """Any of the fields, most of them right, some not."""
    return st.fixed_dictionaries({}, optional={name: value | few for name, value in fields.items()})


turns = st.none() | some(
    type=st.sampled_from(["server_vad", "semantic_vad"]),
    threshold=st.floats(0, 1),
    prefix_padding_ms=st.integers(0, 900),
    silence_duration_ms=st.integers(0, 9000),
    eagerness=st.sampled_from(["low", "auto"]),
)
transcription = some(
    model=st.sampled_from(["whisper-1", "gpt-4o-transcribe", "fun-asr-realtime"]),
    language=st.sampled_from(["en", "zh-CN"]),
    languages=st.lists(st.sampled_from(["en", "de"]), max_size=3),
    prompt=st.text(max_size=9),
    keywords=st.lists(st.text(max_size=4), max_size=3),
)
inputs = some(
    format=forms | some(type=forms, rate=st.sampled_from([8000, 24000])),
    transcription=transcription,
    turn_detection=turns,
    noise_reduction=anything,
)
session = some(
    type=st.sampled_from(["transcription", "realtime"]),
    model=st.text(max_size=5),
    include=st.lists(st.text(max_size=3), max_size=2),
    audio=some(input=inputs),
    input_audio_format=forms,
    sample_rate=st.sampled_from([8000, 16000]),
    input_audio_transcription=transcription,
    turn_detection=turns,
)
kinds = st.sampled_from([
    "session.update", "transcription_session.update", "input_audio_buffer.append", "input_audio_buffer.commit",
    "input_audio_buffer.clear", "conversation.item.retrieve", "conversation.item.delete", "conversation.item.create",
    "conversation.item.truncate", "response.create", "response.cancel", "output_audio_buffer.clear", "x",
])  # fmt: skip
ids = st.sampled_from(["item_1", "item_2", "item_3", "", "t1"])
said = st.builds(
    lambda kind, rest: {"type": kind, **rest},
    kinds,
    some(event_id=st.text(max_size=4), session=session, audio=sound, item_id=ids),
)
talk = st.sampled_from([
    {"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(9600)).decode()},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "session.update", "session": {"turn_detection": None}},
    {"type": "session.update", "session": {"turn_detection": {"type": "server_vad"}}},
    {"type": "session.update", "session": {"dashscope": {"live_deltas": True}}},
    {"type": "session.update", "session": {"input_audio_transcription": {"language": "de"}}},
    {"type": "session.update", "session": {"input_audio_transcription": {"language": None}}},
    {"type": "session.update", "session": {"input_audio_format": "g711_ulaw"}},
    {"type": "session.update", "session": {"input_audio_transcription": {"prompt": "Qwen"}}},
    {"type": "session.update", "session": {"input_audio_transcription": {"model": "fun-asr-realtime"}}},
    {"type": "session.update", "session": {"input_audio_transcription": {"model": "whisper-1"}}},
]).map(json.dumps)  # fmt: skip
frames = (said | anything).map(json.dumps) | st.text(max_size=30) | st.binary(max_size=30)

TRANSCRIPTION = "conversation.item.input_audio_transcription"
theirs = st.builds(
    lambda kind, rest: {"type": kind, **rest},
    st.sampled_from([
        "session.created", "session.updated", "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed", "conversation.item.created", f"{TRANSCRIPTION}.text",
        f"{TRANSCRIPTION}.completed", f"{TRANSCRIPTION}.failed", "session.finished", "error", "y",
    ]),
    some(
        item_id=st.sampled_from(["t1", "t2", "t3"]),
        audio_start_ms=st.integers(-9, 9000),
        audio_end_ms=st.integers(-9, 9000),
        text=st.text(max_size=6),
        stash=st.text(max_size=6),
        transcript=st.text(max_size=9),
        language=st.sampled_from(["en", "zh"]),
        emotion=st.text(max_size=3),
        error=some(code=st.text(max_size=6), message=st.text(max_size=6), type=st.just("invalid_request_error")),
    ),
)  # fmt: skip
times = st.integers(-9, 9000)
results = some(
    sentence_id=st.integers(0, 3),
    begin_time=times,
    end_time=st.none() | times,
    text=st.text(max_size=6),
    words=st.lists(some(begin_time=times, end_time=times, text=st.text(max_size=3)), max_size=2),
    heartbeat=st.booleans(),
    sentence_end=st.booleans(),
)
usages = st.none() | some(duration=times, input_tokens=times, output_tokens=times, total_tokens=times)
tasks = st.builds(
    lambda header, sentence, usage: {"header": header, "payload": {"output": {"sentence": sentence}, "usage": usage}},
    st.fixed_dictionaries(
        {
            "event": st.sampled_from([*["task-started", "result-generated"] * 3, "task-finished", "task-failed", "y"]),
            "task_id": st.sampled_from(["current", "current", "old", None]),
            "error_code": st.sampled_from(["EmptyAudio", "InvalidParameter", "CLIENT_ERROR", "ModelNotFound"]),
            "error_message": st.sampled_from(["no", "payload.parameters.heartbeat is not supported."]),
        }
    ),
    results,
    usages,
)
usual = st.builds(
    lambda event, number, final: {
        "header": {"event": event, "task_id": "current"},
        "payload": {"output": {"sentence": {"sentence_id": number, "text": "a b", "begin_time": 9, **final}}},
    },
    st.sampled_from(["task-started", "result-generated", "result-generated", "task-finished"]),
    st.integers(1, 3),
    st.sampled_from([{}, {"end_time": 90}]),
)
answers = (theirs | tasks | usual | anything).map(json.dumps) | st.text(max_size=20) | st.binary(max_size=20)
steps = st.lists(
    st.tuples(st.just("caller"), frames | talk)
    | st.tuples(st.just("service"), answers)
    | st.tuples(st.sampled_from(["connect", "cut", "time out", "pong", "drained", "stop", "go", "stall"]), st.just(""))
    | st.tuples(st.just("wait"), st.sampled_from([0.0, 0.1, 1.0, 5.0, 100.0])),
    max_size=30,
)


@dataclass
class Stand:
    """Calls only those methods of the bridge that are allowed at that point."""

    bridge: Bridge
    now: float = 1000.0
    dialled: bool = False
    connected: bool = False
    finishing: bool = False
    model: str = ""
    wire: TaskWire | None = None
    hangups: list[Hangup] = field(default_factory=list)
    frames: list[Json] = field(default_factory=list)

    def step(self, what: str, value: Any) -> None:  # noqa: ANN401 - a frame, or seconds
        bridge, now = self.bridge, self.now
        match what:
            case "caller":
                self.do(bridge.from_client(value, now))
            case "stop":
                self.do(bridge.shutdown(1.0, now))
            case "go":
                self.do(bridge.client_closed(now))
            case "stall":
                self.do(bridge.client_closed(now, Hangup(1008, "it does not read")))
            case "wait":
                self.now += value
                self.do(bridge.tick(self.now), after=self.now)
            case _:
                self.line(what, value)

    def line(self, what: str, value: Any) -> None:  # noqa: ANN401 - a frame
        """What happens on the way to the service."""
        bridge, now = self.bridge, self.now
        match what:
            case "connect" if self.dialled:
                self.dialled, self.connected = False, True
                self.wire = TaskWire() if self.model.startswith("fun") else None
                self.do(bridge.upstream_opened(now))
            case "cut" | "time out" if self.dialled or self.connected:
                self.dialled = self.connected = self.finishing = False
                self.wire = None
                error = ServiceUnavailable("cut") if what == "cut" else ServiceTimedOut("late")
                self.do(bridge.upstream_lost(error, now))
            case "service" if self.connected:
                self.hear(value)
            case "pong" if self.connected:
                self.do(bridge.upstream_pong(now, now))
            case "drained" if self.connected:
                self.do(bridge.upstream_drained(now))
            case _:
                pass

    def hear(self, frame: str | bytes) -> None:
        """A frame of the service."""
        if self.wire is not None and isinstance(frame, str):
            frame = frame.replace('"current"', json.dumps(self.wire.task))
            self.wire.received(frame)
        self.do(self.bridge.from_upstream(frame, self.now))

    def settle(self) -> None:
        """Let the session settle: no more events or faults, and the service only ends its sessions."""
        for _ in range(200):
            if self.bridge.over:
                return
            self.line("connect", "")
            self.line("drained", "")
            if self.finishing:
                self.line("service", json.dumps({"type": "session.finished"}))
            elif self.wire is not None and self.wire.state in ("asked", "finishing"):
                event = "task-started" if self.wire.state == "asked" else "task-finished"
                self.line("service", json.dumps({"header": {"task_id": "current", "event": event}}))
            self.step("wait", 2.0)

    def of(self, *kinds: str) -> list[str]:
        return [frame["item_id"] for frame in self.frames if frame["type"].endswith(kinds)]

    def do(self, actions: list[Action], after: float = 0.0) -> None:
        """Do the steps that are due after this one."""
        for action in actions:
            match action:
                case ToClient(text):
                    self.frames.append(json.loads(text))
                case ToUpstream(frame):
                    assert self.connected
                    assert not self.finishing
                    if self.wire is not None:
                        self.wire.sent(frame)
                    else:
                        self.finishing = json.loads(frame)["type"] == "session.finish"
                case OpenUpstream(model):
                    self.model = model
                    assert not self.dialled
                    assert not self.connected
                    self.dialled = True
                case CloseUpstream():
                    self.dialled = self.connected = self.finishing = False
                    self.wire = None
                case Hangup():
                    self.hangups.append(action)
                case Wake(at):
                    assert at > after
                case Reading() | CheckVocabulary() | Play() | Translate():
                    pass


@pytest.mark.parametrize("model", ["qwen3-asr-flash-realtime", "fun-asr-realtime"])
@given(happens=steps, beta=st.booleans(), transcription_only=st.booleans())
@PATIENT
def test_the_bridge_handles_any_sequence_of_events(
    model: str, happens: list[tuple[str, Any]], beta: bool, transcription_only: bool
) -> None:
    headers = {"openai-beta": "realtime=v1"} if beta else {}
    said = opening({"intent": "transcription"} if transcription_only else {}, headers, [])
    bridge = Bridge(said, resolve=resolve, ids=counting(), expires_at=1, preferred=model)
    stand = Stand(bridge)
    stand.do(bridge.start(stand.now))
    for what, value in happens:
        if bridge.over:
            break
        stand.step(what, value)
    stand.settle()

    assert all(frame["type"] for frame in stand.frames)
    assert len(stand.hangups) <= 1
    for kind in ("speech_started", "speech_stopped", ".committed"):
        assert len(stand.of(kind)) == len(set(stand.of(kind)))
    if not {"go", "stall"} & {what for what, _ in happens}:
        assert stand.of(".completed", ".failed") == stand.of(".committed")


@given(
    st.dictionaries(st.sampled_from(["model", "intent", "x"]), st.text(max_size=20)),
    st.dictionaries(st.sampled_from(["authorization", "openai-beta", "origin"]), st.text(max_size=40)),
    st.lists(
        st.text(max_size=40) | st.sampled_from(["realtime", "openai-insecure-api-key.", "openai-beta.x"]), max_size=4
    ),
)
@PATIENT
def test_any_opening_can_be_read(query: dict[str, str], headers: dict[str, str], protocols: list[str]) -> None:
    with contextlib.suppress(BadRequest):
        assert opening(query, headers, protocols).dialect in ("beta", "ga")
