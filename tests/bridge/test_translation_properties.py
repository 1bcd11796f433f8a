"""Property tests: every word is translated once and in order, as text and as voice, whatever service and network do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bridge.schedule import Schedule, Speech, conversations, speeches
from tests.bridge.service import Service
from tests.bridge.translating import FLAT, NESTED, TEXT_ONLY, Listening, TranslateService, spoken_numbers

WHISPER: dict[str, Any] = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
models = pytest.mark.parametrize("model", [FLAT, NESTED, TEXT_ONLY])
thorough = conversations(10)
traits = st.fixed_dictionaries(
    {
        "settles": st.booleans(),
        "late": st.integers(0, 2),
        "names": st.sampled_from(["item", "part", "nowhere"]),
        "source": st.sampled_from(["before", "before", "after"]),
        "done": st.sampled_from(["once", "twice", "contradicted"]),
        "responses": st.sampled_from([1, 2, 100]),
        "noise": st.sampled_from(["", "empty", "never"]),
    }
)
schedules = st.builds(
    Schedule,
    seed=st.integers(0, 2**32),
    chunk=st.sampled_from([640, 3200, 3201, 16000]),
    cuts=st.sampled_from([0.0, 0.05, 0.3]),
    delivery=st.integers(1, 6),
)


def serving(model: str, like: dict[str, Any]) -> Service:
    """Several responses to a turn name it, and end in order. Those in a different order end after the source."""
    if model == TEXT_ONLY:
        return Service(settles=like["settles"], late=like["late"])
    source = "before" if like["late"] else like["source"]
    responses = 100 if like["late"] or like["names"] == "nowhere" else like["responses"]
    return TranslateService(model=model, **(like | {"responses": responses, "source": source}))


def translated(speech: Speech, service: Service) -> list[str]:
    """The numbers of the words that are translated."""
    noise = isinstance(service, TranslateService) and service.noise
    turns = [[name[1:] for name in turn] for turn in speech.turns]
    return [number for turn in turns if not (noise and int(turn[0]) % 3 == 0) for number in turn]


@models
@thorough
@given(speech=speeches(1, 8), schedule=schedules, like=traits)
def test_every_word_is_translated_once_although_the_client_stops_sending(
    model: str, speech: Speech, schedule: Schedule, like: dict[str, Any]
) -> None:
    service = serving(model, like)
    listening = Listening(service, model, language="es")
    listening.say("session.update", session=WHISPER)

    schedule.run(listening, speech.pcm)
    listening.settle()

    listening.check()
    expected = translated(speech, service)
    assert listening.numbers == expected
    assert listening.source.split() == [f"w{number}" for number in expected]
    if model != TEXT_ONLY:
        assert listening.voice == list(map(int, expected))


@models
@thorough
@given(speech=speeches(1, 6), schedule=schedules, like=traits, end=st.floats(0, 1))
def test_speech_before_the_close_is_translated_and_nothing_follows(
    model: str, speech: Speech, schedule: Schedule, like: dict[str, Any], end: float
) -> None:
    """A turn may get more text after its result. Without the text of the source, a cut can lose that."""
    responses = 100 if schedule.cuts else like["responses"]
    service = serving(model, {**like, "noise": "", "responses": responses})
    listening = Listening(service, model, language="es")
    pcm = speech.pcm
    at = int(end * len(pcm)) // schedule.chunk * schedule.chunk

    schedule.run(listening, pcm[:at])
    listening.close()
    replace(schedule, seed=schedule.seed + 1).run(listening, pcm[at : at + 10 * schedule.chunk])
    listening.settle()

    listening.check()
    assert listening.hangup is not None
    assert listening.bridge.over
    assert listening.frames[-1]["type"] == "session.closed"
    assert listening.numbers == spoken_numbers(pcm[: at & ~1])


@models
@thorough
@given(
    speech=speeches(2, 8),
    schedule=schedules,
    like=traits,
    updates=st.lists(st.tuples(st.floats(0, 1), st.sampled_from(["de", "fr", "ja"])), min_size=1, max_size=3),
    slow=st.sampled_from([(0.0, 0.0), (2.0, 12.0)]),
)
def test_a_change_of_language_during_speech_loses_no_word(
    model: str,
    speech: Speech,
    schedule: Schedule,
    like: dict[str, Any],
    updates: list[tuple[float, str]],
    slow: tuple[float, float],
) -> None:
    """A turn may get more text after its result. Without the text of the source, a cut can lose that."""
    responses = 100 if schedule.cuts else like["responses"]
    service = serving(model, {**like, "noise": "", "responses": responses})
    listening = Listening(service, model, slow, language="es")
    speech = replace(speech, first=1001)
    pcm, chosen = speech.pcm, ["es"]
    begin = 0

    for place, language in sorted(updates):
        end = max(begin, int(place * len(pcm)) // schedule.chunk * schedule.chunk)
        schedule.run(listening, pcm[begin:end])
        listening.say("session.update", session={"audio": {"output": {"language": language}}})
        begin, chosen = end, [*chosen, language]
    schedule.run(listening, pcm[begin:])
    listening.settle()

    listening.check()
    assert listening.numbers == translated(speech, service)
    assert in_order(listening.languages, chosen)
    if model != TEXT_ONLY:
        assert listening.voice == list(map(int, translated(speech, service)))


@pytest.mark.parametrize("model", [FLAT, NESTED])
@thorough
@given(
    speech=speeches(2, 8),
    schedule=schedules,
    like=traits,
    end=st.floats(0, 1),
    update=st.floats(0, 1),
    slow=st.sampled_from([(0.0, 0.0), (1.0, 3.0)]),
)
def test_a_service_need_not_report_speech(
    model: str,
    speech: Speech,
    schedule: Schedule,
    like: dict[str, Any],
    end: float,
    update: float,
    slow: tuple[float, float],
) -> None:
    service = TranslateService(model=model, **(like | {"late": 0, "responses": 100, "noise": "", "speech": False}))
    listening = Listening(service, model, slow, language="es")
    schedule = replace(schedule, chunk=min(schedule.chunk, 3200), pace=1.0)
    speech = replace(speech, first=1001)
    pcm = speech.pcm[: int(end * len(speech.pcm)) // schedule.chunk * schedule.chunk]
    place = int(update * len(pcm)) // schedule.chunk * schedule.chunk

    schedule.run(listening, pcm[:place])
    listening.say("session.update", session={"audio": {"output": {"language": "de"}}})
    replace(schedule, seed=schedule.seed + 1).run(listening, pcm[place:])
    listening.close()
    listening.settle()

    listening.check()
    assert listening.numbers == spoken_numbers(pcm)
    assert listening.voice == [int(number.partition("/")[0]) for number in listening.numbers]


def in_order(some: list[str], of: list[str]) -> bool:
    """Whether the first list is the second one without some of its elements."""
    rest = iter(of)
    return all(each in rest for each in some)
