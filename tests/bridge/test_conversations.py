"""Random conversations: settings that change at any time, audio far ahead of the service, and shutdowns at any time."""

from __future__ import annotations

import itertools
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.bridge.schedule import Schedule, Speech, conversations, speeches, traits
from tests.bridge.service import RATE, silence
from tests.bridge.simulation import Simulation
from tests.bridge.tasks import DIALECTS, simulated

both = pytest.mark.parametrize("dialect", DIALECTS)
thorough = conversations(15)
WINDOW_MS = 20


def schedules(**chances: float) -> st.SearchStrategy[Schedule]:
    return st.builds(
        Schedule,
        seed=st.integers(0, 2**32),
        chunk=st.sampled_from([640, 3200, 3202, 16_000, 320_000]),
        cuts=st.sampled_from([0.0, 0.0, 0.1]),
        delivery=st.sampled_from([0, 2, 9]),
        pace=st.sampled_from([0.0, 0.1, 1.0]),
        **{name: st.sampled_from([0.0, chance]) for name, chance in chances.items()},
    )


@both
@thorough
@given(speech=speeches(2, 5), schedule=schedules(updates=0.1), like=traits())
def test_a_change_of_settings_cuts_no_turn(
    dialect: str, speech: Speech, schedule: Schedule, like: dict[str, Any]
) -> None:
    simulation = Simulation(manual=False, service=simulated(dialect, **like, window=WINDOW_MS * 16))

    schedule.run(simulation, speech.pcm + silence(2000))
    simulation.settle()

    simulation.check()
    assert [turn.split() for turn in simulation.transcripts] == speech.turns
    starts = [start // WINDOW_MS * WINDOW_MS for start in speech.starts]
    assert [frame["audio_start_ms"] for frame in simulation.of("speech_started")] == starts


@both
@thorough
@given(
    speech=speeches(2, 5),
    seed=st.integers(0, 2**32),
    chunk=st.sampled_from([640, 3200]),
    updates=st.sampled_from([0.01, 0.05, 0.2]),
)
def test_each_turn_has_the_settings_at_its_start(
    dialect: str, speech: Speech, seed: int, chunk: int, updates: float
) -> None:
    """The service responds at once. It reports the language as the emotion."""
    simulation = Simulation(manual=False, service=simulated(dialect))
    simulation.connect()
    chosen = (
        Schedule(seed, chunk, delivery=99, updates=updates, pace=1.0).run(simulation, speech.pcm + silence(2000)).chosen
    )
    simulation.settle()

    heard = [frame["dashscope"]["emotion"] or "" for frame in simulation.of(".completed")]
    expected = [[said for at, said in chosen if at <= start * RATE // 1000 * 2][-1] for start in speech.starts]
    assert expected == heard
    assert (
        simulation.sessions <= 1 + 2 * len(speech.turns) + simulation.now - 1000
    )  # switches are at least a second apart


@both
@thorough
@given(speech=speeches(2, 5), schedule=schedules(commits=0.1, updates=0.05), like=traits(splits=True))
def test_joined_turns(dialect: str, speech: Speech, schedule: Schedule, like: dict[str, Any]) -> None:
    simulation = Simulation(manual=True, joined=True, service=simulated(dialect, **like))

    schedule.run(simulation, speech.pcm + silence(100))
    simulation.append(silence(100))
    simulation.say("input_audio_buffer.commit")
    simulation.settle()

    simulation.check()
    assert {frame["error"]["code"] for frame in simulation.of("error")} <= {"input_audio_buffer_commit_empty"}
    assert simulation.accepted == len(simulation.of(".committed"))
    assert simulation.whole_words == speech.words
    assert [] == simulation.of("speech_started")


@both
@thorough
@given(speech=speeches(2, 5), schedule=schedules(), at=st.floats(0, 1), joined=st.booleans(), like=traits())
def test_enabling_turn_detection_does_not_cut_a_manual_turn(
    dialect: str, speech: Speech, schedule: Schedule, at: float, joined: bool, like: dict[str, Any]
) -> None:
    simulation = Simulation(manual=True, joined=joined, service=simulated(dialect, **like))
    place = int(at * len(speech.pcm)) & ~1

    schedule.run(simulation, speech.pcm[:place])
    simulation.say("session.update", session={"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}})
    schedule.run(simulation, speech.pcm[place:] + silence(2000))
    simulation.settle()

    simulation.check()
    assert simulation.words == speech.words
    turns = [turn.split() for turn in simulation.transcripts]
    if joined:
        turns = turns[1:]
    assert turns == speech.turns[len(speech.turns) - len(turns) :]


@both
@thorough
@given(speech=speeches(2, 5), schedule=schedules(commits=0.1), like=traits())
def test_every_commit_is_answered_even_far_ahead(
    dialect: str, speech: Speech, schedule: Schedule, like: dict[str, Any]
) -> None:
    simulation = Simulation(manual=False, service=simulated(dialect, **{**like, "late": 0}))

    schedule.run(simulation, speech.pcm + silence(2000))
    simulation.append(silence(200))
    simulation.say("input_audio_buffer.commit")
    simulation.settle()

    simulation.check()
    assert simulation.accepted <= len(simulation.of(".committed"))
    assert simulation.whole_words == speech.words
    assert "" == simulation.transcripts[-1]


@both
@thorough
@given(
    speech=speeches(2, 5),
    schedule=schedules(updates=0.05),
    kind=st.sampled_from(["detected", "manual", "joined"]),
    at=st.floats(0, 1),
    grace=st.sampled_from([0.5, 3.0, 60.0]),
)
def test_speech_before_a_shutdown_is_transcribed(
    dialect: str, speech: Speech, schedule: Schedule, kind: str, at: float, grace: float
) -> None:
    simulation = Simulation(manual=kind != "detected", joined=kind == "joined", service=simulated(dialect))
    simulation.grace = grace
    end = int(at * len(speech.pcm)) & ~1

    schedule.run(simulation, speech.pcm + silence(100), end)
    simulation.settle()

    simulation.check()
    assert simulation.bridge.over
    assert simulation.hangup is not None
    assert 1001 == simulation.hangup.code
    said = [name for position, name in speech.positions if position + 2 * RATE * 160 // 1000 <= end - schedule.chunk]
    words = [name.partition("/")[0] for name in simulation.whole_words]
    assert grace < 60 or said == words[: len(said)]  # a short grace period may not be enough
    assert words == speech.words[: len(words)]


TURNS: list[dict[str, object]] = [
    {"turn_detection": None},
    {"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}},
    {"dashscope": {"live_deltas": True}},
    {"dashscope": {"live_deltas": False}},
    {"input_audio_transcription": {"language": "de"}},
    {"input_audio_transcription": {"language": None}},
    {"input_audio_transcription": {"prompt": "Qwen"}},
    {"input_audio_transcription": {"model": "fun-asr-realtime"}},
    {"input_audio_transcription": {"model": "qwen3-asr-flash-realtime"}},
]


@both
@thorough
@given(
    speech=speeches(2, 5),
    schedule=schedules(commits=0.1),
    updates=st.lists(st.tuples(st.floats(0, 1), st.sampled_from(TURNS)), max_size=6),
    like=traits(splits=True),
    manual=st.booleans(),
)
@example(
    speech=Speech([(600, [270, 270, 20]), (1200, [270, 270, 20])]),
    schedule=Schedule(seed=8918, chunk=320_000, cuts=0.0, delivery=9, pace=1.0, commits=0.1),
    updates=[(0.281, {}), (0.467, {"input_audio_transcription": {"prompt": "Qwen"}})],
    like={"late": 1},
    manual=False,
)
def test_turns_that_begin_with_one_kind_of_detection_and_end_with_another(
    dialect: str,
    speech: Speech,
    schedule: Schedule,
    updates: list[tuple[float, dict[str, object]]],
    like: dict[str, Any],
    manual: bool,
) -> None:
    others = tuple(simulated(other, **like) for other in DIALECTS)
    simulation = Simulation(manual=manual, service=simulated(dialect, **like), others=others)
    pcm = speech.pcm + silence(2000)
    places = [
        (0, {}),
        *sorted(((int(at * len(pcm)) & ~1, said) for at, said in updates), key=itemgetter(0)),
        (len(pcm), {}),
    ]

    for (start, said), (end, _) in itertools.pairwise(places):
        simulation.say("session.update", session=said)
        schedule.run(simulation, pcm[start:end])
    simulation.append(silence(200))
    simulation.say("input_audio_buffer.commit")
    simulation.settle()

    simulation.check()
    assert simulation.whole_words == speech.words
