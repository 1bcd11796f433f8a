"""Whatever the service shows and whenever the network breaks: no word lost, doubled or out of order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.bridge.weather import Speech, Weather, speeches
from tests.bridge.world import Service, World, silence, word

thorough = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def weathers(commits: float) -> st.SearchStrategy[Weather]:
    return st.builds(
        Weather,
        seed=st.integers(0, 2**32),
        chunk=st.sampled_from([640, 3200, 3201, 16000]),
        cuts=st.sampled_from([0.0, 0.05, 0.3]),
        delivery=st.integers(1, 6),
        commits=st.sampled_from([0.0, commits]),
    )


@thorough
@given(
    speech=speeches(1, 8),
    weather=weathers(0.0),
    late=st.integers(0, 2),
    settles=st.booleans(),
    window_ms=st.sampled_from([10, 16, 20, 30, 32]),
)
@example(
    speech=Speech([(600, [220, 300, 20]), (690, [20])]),
    weather=Weather(seed=0, chunk=3201, cuts=0.05, delivery=5, commits=0.0),
    late=0,
    settles=False,
    window_ms=10,
)
@example(
    speech=Speech([(600, [220, 300, 20]), (600, [20])]),
    weather=Weather(seed=0, chunk=3201, cuts=0.05, delivery=4, commits=0.0),
    late=0,
    settles=False,
    window_ms=10,
)
def test_detected_turns(speech: Speech, weather: Weather, late: int, settles: bool, window_ms: int) -> None:
    recognised = []
    for cuts in (0.0, weather.cuts):
        service = Service(late=late, settles=settles, window=window_ms * 16)
        world = World(manual=False, service=service)

        replace(weather, cuts=cuts).drive(world, speech.pcm + silence(2000))
        world.settle()

        world.check()
        assert [turn.split() for turn in world.transcripts] == speech.turns
        starts = [start // window_ms * window_ms for start in speech.starts]
        assert [frame["audio_start_ms"] for frame in world.of("speech_started")] == starts
        recognised.append(set(service.recognised))

    assert recognised[0] == recognised[1]


@thorough
@given(
    speech=speeches(1, 8),
    weather=weathers(0.1),
    late=st.integers(0, 2),
    settles=st.booleans(),
    silent=st.sampled_from(["never", "empty", "error"]),
    stalls=st.sampled_from([0.0, 0.1]),
)
def test_manual_turns(speech: Speech, weather: Weather, late: int, settles: bool, silent: str, stalls: float) -> None:
    weather = replace(weather, stalls=stalls)
    world = World(manual=True, service=Service(late=late, settles=settles, answers_silence=silent))

    weather.drive(world, speech.pcm + silence(100))
    world.append(silence(100))
    world.say("input_audio_buffer.commit")
    world.settle()

    world.check()
    assert {frame["error"]["code"] for frame in world.of("error")} <= {"input_audio_buffer_commit_empty"}
    assert world.whole_words == speech.words


@thorough
@given(
    speech=speeches(1, 8),
    weather=weathers(0.05),
    late=st.integers(0, 2),
    settles=st.booleans(),
    tardy_ms=st.sampled_from([0, 0, 20, 300]),
)
@example(
    speech=Speech([(710, [230]), (600, [20]), (600, [20])]),
    weather=Weather(seed=71, chunk=3201, cuts=0.05, delivery=4, commits=0.0),
    late=1,
    settles=False,
    tardy_ms=0,
)
@example(
    speech=Speech([(700, [100])]),
    weather=Weather(seed=794305168, chunk=640, cuts=0.3, delivery=5, commits=0.2),
    late=2,
    settles=True,
    tardy_ms=300,
)
def test_detected_turns_that_the_caller_ends_sooner(
    speech: Speech, weather: Weather, late: int, settles: bool, tardy_ms: int
) -> None:
    world = World(manual=False, service=Service(late=late, settles=settles, tardy_ms=tardy_ms))

    weather.drive(world, speech.pcm + silence(2000))
    world.settle()

    world.check()
    assert world.whole_words == speech.words


@settings(thorough, max_examples=20)
@given(
    speech=speeches(1, 8), weather=weathers(0.05), settles=st.booleans(), manual=st.booleans(), late=st.integers(0, 2)
)
def test_what_the_caller_clears_is_gone_and_nothing_else(
    speech: Speech, weather: Weather, settles: bool, manual: bool, late: int
) -> None:
    weather = replace(weather, clears=0.05, chunk=weather.chunk & ~1)
    world = World(manual=manual, service=Service(late=late, settles=settles))

    cleared = weather.drive(world, speech.pcm + silence(2000)).cleared
    world.say("input_audio_buffer.commit")
    world.settle()

    world.check()
    sizes: Counter[str] = Counter()
    for name, _, size in (heard.partition("/") for heard in world.words):
        sizes[name] += int(size or len(word(0)))
    whole = [name for at, name in speech.positions if at >= cleared]
    assert all(size <= len(word(0)) for size in sizes.values())
    assert whole == [name for name in world.whole_words if name in whole]


def test_a_turn_that_begins_past_what_was_sent_is_known_again() -> None:
    world = World(manual=False, service=Service(tardy_ms=300))
    world.append(silence(600) + word(1)[:640])
    world.say("input_audio_buffer.commit")
    for frames in (5, 3):  # to the end of the turn, then to its beginning
        world.connect()
        assert [True] * frames == [world.deliver() for _ in range(frames)]
        world.cut()
    world.append(word(1)[640:] + silence(2000))
    world.settle()

    world.check()
    assert ["w1"] == world.whole_words
