"""A service that is slow costs time, and no words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.bridge.limits import SessionLimits
from tests.bridge.schedule import Schedule, Speech, conversations, speeches, traits
from tests.bridge.service import Service, silence
from tests.bridge.simulation import Simulation
from tests.bridge.stage import NO_PADDING, Stage, append, detecting, later, lost, opened, play, ready, started, text
from tests.bridge.tasks import DIALECTS, simulated
from tests.bridge.translating import FLAT, NESTED, TEXT_ONLY, Listening, TranslateService

few = conversations(5)
SLOW = st.sampled_from([(0.0, 6.0), (2.0, 15.0), (14.0, 15.0)])
loud = speeches(1, 8).map(lambda speech: replace(speech, first=1001))
schedules = st.builds(
    Schedule,
    seed=st.integers(0, 2**32),
    chunk=st.sampled_from([3200, 16000]),
    cuts=st.sampled_from([0.01, 0.05]),
    delivery=st.integers(1, 6),
    pace=st.sampled_from([0.5, 1.0, 3.0]),
)


@pytest.mark.parametrize("manual", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@few
@given(speech=loud, schedule=schedules, like=traits(), slow=SLOW)
def test_a_transcript_loses_no_word(
    dialect: str, manual: bool, speech: Speech, schedule: Schedule, like: dict[str, Any], slow: tuple[float, float]
) -> None:
    simulation = Simulation(manual=manual, service=simulated(dialect, **like, manual=manual), slow=slow)

    schedule.run(simulation, speech.pcm + silence(2000))
    if manual:
        simulation.say("input_audio_buffer.commit")
    simulation.settle()

    simulation.check()
    assert simulation.words == speech.words


@pytest.mark.parametrize("model", [FLAT, NESTED, TEXT_ONLY])
@few
@given(speech=loud, schedule=schedules, slow=SLOW)
def test_a_translation_loses_no_word(model: str, speech: Speech, schedule: Schedule, slow: tuple[float, float]) -> None:
    service = Service() if model == TEXT_ONLY else TranslateService(model=model)
    listening = Listening(service, model, slow, language="es")

    schedule.run(listening, speech.pcm)
    listening.close()
    listening.settle()

    listening.check()
    assert listening.numbers == [name[1:] for name in speech.words]


@pytest.mark.parametrize(("waited", "again"), [(20, ["open"]), (30, [])])
def test_sound_that_may_be_speech_is_kept_longer(waited: float, again: list[str]) -> None:
    stage = detecting()
    play(stage, [(append(b"\0\1" * 4000), ["> audio 8000"])])
    stage.now += waited
    stage.step(lambda stage: stage.bridge.upstream_pong(stage.now, stage.now))

    assert stage.step(lost()) == again


def test_new_text_is_progress_before_its_turn_has_a_result() -> None:
    stage = ready(Stage(limits=SessionLimits(attempts=2)), turn_detection=NO_PADDING)
    stage.step(append(1000))
    for number in range(1, 10):
        said = " ".join(map(str, range(number)))
        for step in (started(f"t{number}", 100), text(f"t{number}", f"{said} ", "x"), lost(), later(30), opened):
            stage.step(step)

    assert not stage.bridge.over
    assert 9 == stage.bridge.reconnections
