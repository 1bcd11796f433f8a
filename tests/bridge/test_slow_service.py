"""Property tests: a service that is slow costs time, and no words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bridge.schedule import Schedule, Speech, conversations, speeches, traits
from tests.bridge.service import Service, silence
from tests.bridge.simulation import Simulation
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
