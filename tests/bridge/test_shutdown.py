"""The end of a session, whatever is open: the server stops, or the session reaches its maximum duration."""

from __future__ import annotations

import base64
import json

import pytest

from compat.bridge import Bridge
from compat.bridge.actions import Hangup, ToClient, ToUpstream
from compat.bridge.interpreter import Interpreter
from compat.bridge.limits import SessionLimits
from compat.openai_api.realtime.opening import Opening
from compat.openai_api.translations.session import TranslationSession
from tests.bridge.service import Service, silence, word
from tests.bridge.stage import (
    NEW,
    NO_PADDING,
    SECOND,
    Conversation,
    Stage,
    Step,
    append,
    commit,
    committed,
    counting,
    failed,
    final,
    finished,
    later,
    lost,
    opened,
    play,
    ready,
    resolve,
    shutdown,
    started,
    stopped,
    text,
)
from tests.bridge.translating import FLAT, NESTED, TEXT_ONLY, Listening, TranslateService

GRACE = 10.0
ENDS = pytest.mark.parametrize(
    ("end", "goodbye"),
    [(shutdown(GRACE), []), (later(0.1), ["< error session_expired None None"])],
    ids=["the server stops", "the session has lasted"],
)
BYE = ["hang up 1001"]
HEARD = ["< delta item_1 'hi'", "< completed item_1 'hi' 2.0"]
SPOKEN: Conversation = [
    (append(1000), ["> audio 32000"]),
    (started("t1", 200), ["< speech_started item_1 200"]),
    (text("t1", "hel", "lo"), ["< delta item_1 'hel'"]),
]


def session(**audio_input: object) -> Stage:
    stage = ready(Stage(limits=SessionLimits(longest=60.0, grace=GRACE)), **audio_input)
    stage.step(later(59.9))
    return stage


@ENDS
@pytest.mark.parametrize("late", [0.1, 9.9])
def test_a_commit_within_the_grace_is_answered(end: Step, goodbye: list[str], late: float) -> None:
    stage = session(turn_detection=None)
    play(
        stage,
        [
            (append(1000), ["> audio 32000"]),
            (end, []),
            (later(late), []),
            (append(1000), ["> audio 32000"]),
            (commit, [*NEW, "> commit"]),
            (committed("t1"), []),
            (final("t1", "hi"), [*HEARD, *goodbye, *BYE, "> finish"]),
            (finished, ["close"]),
        ],
    )
    assert stage.bridge.over


@ENDS
def test_a_manual_turn_open_after_the_grace_is_committed(end: Step, goodbye: list[str]) -> None:
    stage = session(turn_detection=None)
    play(
        stage,
        [
            (append(2000), ["> audio 32000"] * 2),
            (end, []),
            (later(GRACE), [*NEW, "> commit"]),
            (append(1000), []),
            (commit, []),
            (final("t1", "hi"), [*HEARD, *goodbye, *BYE, "> finish"]),
        ],
    )


@ENDS
def test_a_turn_open_after_the_grace_is_ended_and_delivered(end: Step, goodbye: list[str]) -> None:
    stage = session(turn_detection=NO_PADDING)
    play(
        stage,
        [
            *SPOKEN,
            (end, []),
            (append(1000), ["> audio 32000"]),
            (later(GRACE), ["> finish"]),
            (append(1000), []),
            (stopped("t1", 2000), ["< speech_stopped item_1 2000", *NEW]),
            (committed("t1"), []),
            (final("t1", "hello you"), ["< delta item_1 'lo you'", "< completed item_1 'hello you' 1.8"]),
            (finished, ["close", *goodbye, *BYE]),
        ],
    )
    assert stage.bridge.over


@ENDS
def test_a_turn_that_the_service_does_not_end_in_time_fails_in_order(end: Step, goodbye: list[str]) -> None:
    stage = session(turn_detection=NO_PADDING)
    failure = "< failed item_1 " + ("session_expired" if goodbye else "service_unavailable")
    play(
        stage,
        [
            *SPOKEN,
            (end, []),
            (later(GRACE), ["> finish"]),
            (later(1.9), []),
            (later(0.2), ["< speech_stopped item_1 1000", *NEW, failure, *goodbye, *BYE]),
        ],
    )


@ENDS
def test_unreported_speech_is_delivered_before_the_close(end: Step, goodbye: list[str]) -> None:
    stage = session(turn_detection=NO_PADDING)
    play(
        stage,
        [
            (append(1000), ["> audio 32000"]),
            (end, []),
            (later(1.6), ["> finish"]),
            (append(1000), []),
            (started("t1", 900), ["< speech_started item_1 900"]),
            (
                final("t1", "hi"),
                ["< speech_stopped item_1 1000", *NEW, "< delta item_1 'hi'", "< completed item_1 'hi' 0.1"],
            ),
            (finished, ["close", *goodbye, *BYE]),
        ],
    )


@ENDS
def test_a_manual_session_without_audio_ends_at_once(end: Step, goodbye: list[str]) -> None:
    play(session(turn_detection=None), [(end, [*goodbye, *BYE, "> finish"]), (finished, ["close"])])


@ENDS
def test_turns_that_end_within_the_grace_are_delivered_in_order(end: Step, goodbye: list[str]) -> None:
    stage = session(turn_detection=None)
    play(
        stage,
        [
            (append(2000), ["> audio 32000"] * 2),
            (commit, [*NEW, "> commit"]),
            (end, []),
            (append(500), []),
            (final("t1", "hi"), [*HEARD, "> audio 16000"]),
            (commit, [*SECOND, "> commit"]),
            (failed("t2", "InternalError"), ["< failed item_2 upstream_error", *goodbye, *BYE, "> finish"]),
        ],
    )


@ENDS
def test_audio_that_waits_for_the_service_is_sent_when_it_connects(end: Step, goodbye: list[str]) -> None:
    stage = session()
    play(
        stage,
        [
            (lost(), []),
            (append(1000), ["open"]),
            (end, []),
            (opened, ["> setup pcm/16000 vad 0.2/500", "> audio 32000"]),
            (later(1.6), ["> finish"]),
            (finished, ["close", *goodbye, *BYE]),
        ],
    )


@ENDS
def test_speech_that_began_just_before_the_end_is_delivered(end: Step, goodbye: list[str]) -> None:
    stage = session(turn_detection=NO_PADDING)
    play(
        stage,
        [
            (append(1000), ["> audio 32000"]),
            (end, []),
            (later(0.3), []),
            (started("t1", 900), ["< speech_started item_1 900"]),
            (later(5.0), []),
            (append(1000), ["> audio 32000"]),
            (stopped("t1", 2000), ["< speech_stopped item_1 2000", *NEW]),
            (
                final("t1", "hi"),
                ["< delta item_1 'hi'", "< completed item_1 'hi' 1.1", *goodbye, *BYE, "> finish"],
            ),
        ],
    )


def test_ending_a_translation_reports_speech_without_an_answer() -> None:
    ids = counting()
    session = TranslationSession(model="gpt-realtime-translate", native="qwen3.5-livetranslate-flash-realtime")
    bridge = Bridge(
        Opening(), resolve=resolve, ids=ids, expires_at=0, preferred=session.native, face=Interpreter(session, ids, 0)
    )
    bridge.start(0.0)
    audio = base64.b64encode(bytes(48_000)).decode()
    bridge.from_client(json.dumps({"type": "session.input_audio_buffer.append", "audio": audio}), 0.0)
    bridge.from_client(json.dumps({"type": "session.close"}), 0.0)

    said = [action for now in (46.1, 48.2) for action in bridge.tick(now) if isinstance(action, ToClient | Hangup)]

    assert [json.loads(action.text)["type"] for action in said if isinstance(action, ToClient)] == [
        "error",
        "session.closed",
    ]
    assert said[-1] == Hangup(1000, "")


def closing(model: str, pause_ms: int) -> Listening:
    """Return a client that has said eight words and closes its session."""
    client = Listening(Service() if model == TEXT_ONLY else TranslateService(model=model), model, language="es")
    client.connect()
    client.append(silence(600) + b"".join(word(number) + silence(pause_ms) for number in range(1, 9)))
    client.close()
    return client


@pytest.mark.parametrize("model", [FLAT, NESTED, TEXT_ONLY])
def test_speech_before_the_close_is_translated_by_another_connection_if_the_service_hangs(model: str) -> None:
    client = closing(model, pause_ms=100)

    for _ in range(50):
        client.wait(0.5)  # nothing that the service says arrives
        client.connect()
    client.settle()

    client.check()
    assert client.text == "es1 es2 es3 es4 es5 es6 es7 es8"
    assert client.hangup == Hangup(1000, "")
    assert not client.of("error")


@pytest.mark.parametrize("model", [FLAT, NESTED, TEXT_ONLY])
def test_a_slow_service_gets_more_time_while_it_answers(model: str) -> None:
    client = closing(model, pause_ms=900)

    while not client.hangup:
        client.wait(3.0)
        client.deliver()

    client.check()
    assert client.text == "es1 es2 es3 es4 es5 es6 es7 es8"
    assert client.sessions == 1
    assert not client.of("error")


def test_a_session_ends_although_the_connection_to_the_service_breaks_repeatedly() -> None:
    client = Listening(TranslateService(model=FLAT), FLAT, language="es")
    client.connect()
    client.append(silence(600) + word(1) + silence(900))
    client.close()

    for _ in range(60):
        client.connect()
        client.wait(1.0)
        client.cut()

    assert client.hangup == Hangup(1000, "")


def test_a_service_that_works_in_real_time_gets_time_for_all_sent_audio() -> None:
    """The client sends a minute at once, as from a file, and ends the session."""
    ids = counting()
    session = TranslationSession(model="gpt-realtime-translate", native="qwen3.5-livetranslate-flash-realtime")
    bridge = Bridge(
        Opening(), resolve=resolve, ids=ids, expires_at=0, preferred=session.native, face=Interpreter(session, ids, 0)
    )
    bridge.start(0.0)
    bridge.upstream_opened(0.0)
    bridge.from_upstream(json.dumps({"type": "session.created", "session": {"id": "s"}}), 0.0)
    audio = base64.b64encode(bytes(48_000)).decode()
    for _ in range(60):
        bridge.from_client(json.dumps({"type": "session.input_audio_buffer.append", "audio": audio}), 0.0)
        bridge.upstream_drained(0.0)
    while any(isinstance(action, ToUpstream) for action in bridge.upstream_drained(0.0)):
        pass
    begun = {"type": "input_audio_buffer.speech_started", "item_id": "t1", "audio_start_ms": 0}
    bridge.from_upstream(json.dumps(begun), 0.1)
    bridge.from_client(json.dumps({"type": "session.close"}), 0.2)

    said = [action for now in range(1, 60) for action in bridge.tick(now) if isinstance(action, ToClient | Hangup)]

    assert [] == said
