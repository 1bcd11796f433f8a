"""Random conversations: settings that change at any moment, sound far ahead of the service, an end at any moment."""

from __future__ import annotations

import itertools
from operator import itemgetter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bridge.weather import Speech, Weather, speeches
from tests.bridge.world import RATE, Service, World, silence

thorough = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WINDOW_MS = 20


def weathers(**chances: float) -> st.SearchStrategy[Weather]:
    return st.builds(
        Weather,
        seed=st.integers(0, 2**32),
        chunk=st.sampled_from([640, 3200, 3202, 16_000, 320_000]),
        cuts=st.sampled_from([0.0, 0.0, 0.1]),
        delivery=st.sampled_from([0, 2, 9]),
        pace=st.sampled_from([0.0, 0.1, 1.0]),
        **{name: st.sampled_from([0.0, chance]) for name, chance in chances.items()},
    )


@thorough
@given(speech=speeches(2, 5), weather=weathers(updates=0.1), settles=st.booleans(), late=st.integers(0, 2))
def test_settings_that_change_cut_no_turn(speech: Speech, weather: Weather, settles: bool, late: int) -> None:
    world = World(manual=False, service=Service(settles=settles, late=late, window=WINDOW_MS * 16))

    weather.drive(world, speech.pcm + silence(2000))
    world.settle()

    world.check()
    assert [turn.split() for turn in world.transcripts] == speech.turns
    starts = [start // WINDOW_MS * WINDOW_MS for start in speech.starts]
    assert [frame["audio_start_ms"] for frame in world.of("speech_started")] == starts


@thorough
@given(
    speech=speeches(2, 5),
    seed=st.integers(0, 2**32),
    chunk=st.sampled_from([640, 3200]),
    updates=st.sampled_from([0.01, 0.05, 0.2]),
)
def test_each_turn_has_the_settings_of_the_moment_it_began(
    speech: Speech, seed: int, chunk: int, updates: float
) -> None:
    """Where the service answers at once."""
    world = World(manual=False, service=Service())
    world.connect()
    chosen = (
        Weather(seed, chunk, delivery=99, updates=updates, pace=1.0).drive(world, speech.pcm + silence(2000)).chosen
    )
    world.settle()

    heard = [(frame.get("languages") or [{"code": ""}])[0]["code"] for frame in world.of(".completed")]
    expected = [[said for at, said in chosen if at <= start * RATE // 1000 * 2][-1] for start in speech.starts]
    assert expected == heard
    assert world.sessions <= 1 + 2 * len(speech.turns) + world.now - 1000  # a second at least from one to the next


@thorough
@given(
    speech=speeches(2, 5), weather=weathers(commits=0.1, updates=0.05), settles=st.booleans(), late=st.integers(0, 2)
)  # fmt: skip
def test_turns_that_are_joined(speech: Speech, weather: Weather, settles: bool, late: int) -> None:
    world = World(manual=True, joined=True, service=Service(settles=settles, late=late))

    weather.drive(world, speech.pcm + silence(100))
    world.append(silence(100))
    world.say("input_audio_buffer.commit")
    world.settle()

    world.check()
    assert {frame["error"]["code"] for frame in world.of("error")} <= {"input_audio_buffer_commit_empty"}
    assert world.accepted == len(world.of(".committed"))
    assert world.whole_words == speech.words
    assert [] == world.of("speech_started")


@thorough
@given(
    speech=speeches(2, 5), weather=weathers(), at=st.floats(0, 1), joined=st.booleans(), settles=st.booleans(),
    late=st.integers(0, 2),
)  # fmt: skip
def test_a_turn_by_hand_that_comes_under_detection_is_not_cut(
    speech: Speech, weather: Weather, at: float, joined: bool, settles: bool, late: int
) -> None:
    world = World(manual=True, joined=joined, service=Service(settles=settles, late=late))
    place = int(at * len(speech.pcm)) & ~1

    weather.drive(world, speech.pcm[:place])
    world.say("session.update", session={"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}})
    weather.drive(world, speech.pcm[place:] + silence(2000))
    world.settle()

    world.check()
    assert world.words == speech.words
    turns = [turn.split() for turn in world.transcripts]
    if joined:
        turns = turns[1:]
    assert turns == speech.turns[len(speech.turns) - len(turns) :]


@thorough
@given(speech=speeches(2, 5), weather=weathers(commits=0.1), settles=st.booleans())
def test_every_commit_is_answered_however_far_ahead_it_comes(speech: Speech, weather: Weather, settles: bool) -> None:
    world = World(manual=False, service=Service(settles=settles))

    weather.drive(world, speech.pcm + silence(2000))
    world.append(silence(200))
    world.say("input_audio_buffer.commit")
    world.settle()

    world.check()
    assert world.accepted <= len(world.of(".committed"))
    assert world.whole_words == speech.words
    assert "" == world.transcripts[-1]


@thorough
@given(
    speech=speeches(2, 5),
    weather=weathers(updates=0.05),
    kind=st.sampled_from(["detected", "manual", "joined"]),
    at=st.floats(0, 1),
    grace=st.sampled_from([0.5, 3.0, 60.0]),
)
def test_what_was_said_before_the_end_is_heard(
    speech: Speech, weather: Weather, kind: str, at: float, grace: float
) -> None:
    world = World(manual=kind != "detected", joined=kind == "joined", service=Service())
    world.grace = grace
    end = int(at * len(speech.pcm)) & ~1

    weather.drive(world, speech.pcm + silence(100), end)
    world.settle()

    world.check()
    assert world.bridge.over
    assert world.hangup is not None
    assert 1001 == world.hangup.code
    said = [name for position, name in speech.positions if position + 2 * RATE * 160 // 1000 <= end - weather.chunk]
    words = [name.partition("/")[0] for name in world.whole_words]
    assert grace < 60 or said == words[: len(said)]  # the service, and the network, may take longer than a short one
    assert words == speech.words[: len(words)]


TURNS: list[dict[str, object]] = [
    {"turn_detection": None},
    {"turn_detection": {"type": "server_vad", "silence_duration_ms": 500}},
    {"dashscope": {"live_deltas": True}},
    {"dashscope": {"live_deltas": False}},
    {"input_audio_transcription": {"language": "de"}},
    {"input_audio_transcription": {"language": None}},
]


@thorough
@given(
    speech=speeches(2, 5),
    weather=weathers(commits=0.1),
    updates=st.lists(st.tuples(st.floats(0, 1), st.sampled_from(TURNS)), max_size=6),
    service=st.builds(Service, settles=st.booleans(), late=st.integers(0, 2)),
    manual=st.booleans(),
)
def test_turns_that_begin_one_way_and_end_another(
    speech: Speech, weather: Weather, updates: list[tuple[float, dict[str, object]]], service: Service, manual: bool
) -> None:
    world = World(manual=manual, service=service)
    pcm = speech.pcm + silence(2000)
    places = [
        (0, {}),
        *sorted(((int(at * len(pcm)) & ~1, said) for at, said in updates), key=itemgetter(0)),
        (len(pcm), {}),
    ]

    for (start, said), (end, _) in itertools.pairwise(places):
        world.say("session.update", session=said)
        weather.drive(world, pcm[start:end])
    world.append(silence(200))
    world.say("input_audio_buffer.commit")
    world.settle()

    world.check()
    assert world.whole_words == speech.words
