"""Property tests: no word is lost, doubled or out of order under any behaviour of service and network."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.bridge.schedule import Schedule, Speech, conversations, speeches, traits
from tests.bridge.service import silence, word
from tests.bridge.simulation import Simulation
from tests.bridge.tasks import DIALECTS, simulated

both = pytest.mark.parametrize("dialect", DIALECTS)
thorough = conversations(20)


def schedules(commits: float) -> st.SearchStrategy[Schedule]:
    return st.builds(
        Schedule,
        seed=st.integers(0, 2**32),
        chunk=st.sampled_from([640, 3200, 3201, 16000]),
        cuts=st.sampled_from([0.0, 0.05, 0.3]),
        delivery=st.integers(1, 6),
        commits=st.sampled_from([0.0, commits]),
    )


@both
@thorough
@given(
    speech=speeches(1, 8),
    schedule=schedules(0.0),
    like=traits(),
    window_ms=st.sampled_from([10, 16, 20, 30, 32]),
)
@example(
    speech=Speech([(600, [220, 300, 20]), (690, [20])]),
    schedule=Schedule(seed=0, chunk=3201, cuts=0.05, delivery=5, commits=0.0),
    like={"settles": False},
    window_ms=10,
)
@example(
    speech=Speech([(600, [220, 300, 20]), (600, [20])]),
    schedule=Schedule(seed=0, chunk=3201, cuts=0.05, delivery=4, commits=0.0),
    like={"settles": False},
    window_ms=10,
)
def test_detected_turns(dialect: str, speech: Speech, schedule: Schedule, like: dict[str, Any], window_ms: int) -> None:
    recognised = []
    for cuts in (0.0, schedule.cuts):
        service = simulated(dialect, **like, window=window_ms * 16)
        simulation = Simulation(manual=False, service=service)

        replace(schedule, cuts=cuts).run(simulation, speech.pcm + silence(2000))
        simulation.settle()

        simulation.check()
        assert [turn.split() for turn in simulation.transcripts] == speech.turns
        starts = [start // window_ms * window_ms for start in speech.starts]
        assert [frame["audio_start_ms"] for frame in simulation.of("speech_started")] == starts
        if dialect == "run-task":
            assert speech.times == [(shown["word"], shown["start"], shown["end"]) for shown in simulation.timed_words]
        recognised.append(set(service.recognised))

    assert recognised[0] == recognised[1]


@both
@thorough
@given(
    speech=speeches(1, 8),
    schedule=schedules(0.1),
    like=traits(splits=True),
    silent=st.sampled_from(["never", "empty", "error"]),
    stalls=st.sampled_from([0.0, 0.1]),
)
def test_manual_turns(
    dialect: str, speech: Speech, schedule: Schedule, like: dict[str, Any], silent: str, stalls: float
) -> None:
    schedule = replace(schedule, stalls=stalls)
    simulation = Simulation(manual=True, service=simulated(dialect, **like, manual=True, answers_silence=silent))

    schedule.run(simulation, speech.pcm + silence(100))
    simulation.append(silence(100))
    simulation.say("input_audio_buffer.commit")
    simulation.settle()

    simulation.check()
    assert {frame["error"]["code"] for frame in simulation.of("error")} <= {"input_audio_buffer_commit_empty"}
    assert simulation.whole_words == speech.words
    times = {name: (start, end) for name, start, end in speech.times}
    for shown in simulation.timed_words:
        assert (shown["start"], shown["end"]) == pytest.approx(times[shown["word"]], abs=0.0015)


@both
@thorough
@given(
    speech=speeches(1, 8),
    schedule=schedules(0.05),
    like=traits(splits=True),
    tardy_ms=st.sampled_from([0, 0, 20, 300]),
)
@example(
    speech=Speech([(710, [230]), (600, [20]), (600, [20])]),
    schedule=Schedule(seed=71, chunk=3201, cuts=0.05, delivery=4, commits=0.0),
    like={"late": 1, "settles": False},
    tardy_ms=0,
)
@example(
    speech=Speech([(700, [100])]),
    schedule=Schedule(seed=794305168, chunk=640, cuts=0.3, delivery=5, commits=0.2),
    like={"late": 2, "settles": True},
    tardy_ms=300,
)
def test_detected_turns_that_the_client_commits_early(
    dialect: str, speech: Speech, schedule: Schedule, like: dict[str, Any], tardy_ms: int
) -> None:
    simulation = Simulation(manual=False, service=simulated(dialect, **like, tardy_ms=tardy_ms))

    schedule.run(simulation, speech.pcm + silence(2000))
    simulation.settle()

    simulation.check()
    assert simulation.whole_words == speech.words


@both
@conversations(10)
@given(speech=speeches(1, 8), schedule=schedules(0.05), like=traits(splits=True), manual=st.booleans())
def test_a_clear_drops_only_uncommitted_audio(
    dialect: str, speech: Speech, schedule: Schedule, like: dict[str, Any], manual: bool
) -> None:
    schedule = replace(schedule, clears=0.05, chunk=schedule.chunk & ~1)
    simulation = Simulation(manual=manual, service=simulated(dialect, **like, manual=manual))

    cleared = schedule.run(simulation, speech.pcm + silence(2000)).cleared
    simulation.say("input_audio_buffer.commit")
    simulation.settle()

    simulation.check()
    sizes: Counter[str] = Counter()
    for name, _, size in (heard.partition("/") for heard in simulation.words):
        sizes[name] += int(size or len(word(0)))
    whole = [name for at, name in speech.positions if at >= cleared]
    assert all(size <= len(word(0)) for size in sizes.values())
    assert whole == [name for name in simulation.whole_words if name in whole]


def test_a_turn_with_a_late_reported_start_is_recognised_after_a_reconnect() -> None:
    simulation = Simulation(manual=False, service=simulated("realtime", tardy_ms=300))
    simulation.append(silence(600) + word(1)[:640])
    simulation.say("input_audio_buffer.commit")
    for frames in (5, 3):  # to the end of the turn, then to its beginning
        simulation.connect()
        assert [True] * frames == [simulation.deliver() for _ in range(frames)]
        simulation.cut()
    simulation.append(word(1)[640:] + silence(2000))
    simulation.settle()

    simulation.check()
    assert ["w1"] == simulation.whole_words
