"""Fuzzing of a run-task socket: any message is answered with events or closes the socket."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from compat.emulator.inference.models import MODELS
from compat.emulator.inference.parameters import FORMATS, PLACES
from compat.emulator.realtime.connection import Over, encoded
from tests.emulator.inference.dialogue import AUDIO, Dialogue, finish, run

VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
NAMES = sorted({name for model in MODELS for name in model.parameters} | PLACES)
MODEL_NAMES = st.sampled_from(["fun-asr-realtime", "paraformer-realtime-v1", "qwen-audio-3.1-asr-flash-message"])
PARAMETERS = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), VALUES, max_size=3)
IDS = st.sampled_from(["1", "2"]) | VALUES


@st.composite
def actions(draw: st.DrawFn) -> Any:  # noqa: ANN401 - JSON
    message = run(draw(IDS), draw(MODEL_NAMES), **draw(PARAMETERS))
    message["header"]["action"] = draw(st.sampled_from(["run-task", "continue-task", "finish-task"]) | VALUES)
    message["payload"]["input"] = draw(
        st.just({}) | st.dictionaries(st.sampled_from(sorted(PLACES)), VALUES, max_size=2)
    )
    for name in draw(st.sets(st.sampled_from(["task", "model", "parameters", "input", "resources"]), max_size=1)):
        message["payload"][name] = draw(VALUES)
    return message


MESSAGES = st.lists(actions() | st.binary(max_size=50) | st.just(AUDIO[:6_400]) | VALUES, max_size=6)


@given(MESSAGES)
def test_any_message_is_handled(messages: list[Any]) -> None:
    send_all(Dialogue(), messages)


@given(
    st.sampled_from(FORMATS), st.lists(st.binary(max_size=100), max_size=5), st.sampled_from([8_000, 16_000, 44_100])
)
def test_any_audio_in_any_format_is_handled(kind: str, sound: list[bytes], rate: int) -> None:
    send_all(Dialogue(), [run(format=kind, sample_rate=rate), *sound, finish()])


def send_all(dialogue: Dialogue, messages: list[Any]) -> None:
    with suppress(Over):
        for message in messages:
            raw = message if isinstance(message, bytes) else json.dumps(message)
            for event in dialogue.session.receive(raw):
                encoded(event)
                if event.header.event == "task-failed":
                    raise Over(1000)
