"""Conversations with a service that translates and reports no events of speech: a turn is known by its text only."""

from __future__ import annotations

import pytest

from tests.bridge.service import silence, word
from tests.bridge.translating import FLAT, NESTED, Listening, TranslateService

WHISPER = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
THREE_TURNS = silence(600) + b"".join(word(number) + silence(700) for number in (1001, 1002, 1003))
GERMAN = {"audio": {"output": {"language": "de"}}}
models = pytest.mark.parametrize("model", [FLAT, NESTED])
spoken = pytest.mark.parametrize("heard", [True, False])


def between_turns(model: str, *, heard: bool) -> Listening:
    """A session whose first turn is translated when the client has begun to speak the second one. `heard`: that is
    reported, as the text of the source is asked for."""
    client = Listening(TranslateService(model=model, speech=False), model, language="es")
    if heard:
        client.say("session.update", session=WHISPER)
    client.connect()
    client.append(silence(600) + word(1) + silence(700) + word(2) + silence(100))
    while client.deliver():
        pass
    assert client.text == "es1"
    return client


def check_three_turns(client: Listening) -> None:
    client.settle()
    assert client.text == "es1001 es1002 es1003"
    client.check()


@models
@spoken
def test_a_break_repeats_the_turn_that_is_spoken(model: str, heard: bool) -> None:
    client = between_turns(model, heard=heard)
    client.cut()
    client.connect()
    client.append(word(3) + silence(700))
    client.settle()

    assert client.text == "es1 es2 es3"
    client.check()


@models
@spoken
def test_a_break_repeats_short_turns_that_were_spoken_while_the_first_was_translated(model: str, heard: bool) -> None:
    client = Listening(TranslateService(model=model, speech=False), model, language="es")
    if heard:
        client.say("session.update", session=WHISPER)
    client.connect()
    client.append(THREE_TURNS)
    for translated in ("es1001", "es1001 es1002"):
        while client.text != translated or '"response.done"' not in client.delivered:
            assert client.deliver()
        client.cut()
        client.connect()
    check_three_turns(client)


@models
@pytest.mark.parametrize("place", range(8, 24, 3))
def test_a_turn_may_begin_before_the_first_has_its_result(model: str, place: int) -> None:
    client = Listening(TranslateService(model=model, speech=False, late=1), model, language="es")
    client.connect()
    client.append(THREE_TURNS)
    for _ in range(place):
        client.deliver()
    client.cut()
    client.connect()
    check_three_turns(client)


@models
def test_a_break_repeats_speech_whose_translation_has_not_begun(model: str) -> None:
    client = Listening(TranslateService(model=model, speech=False, settles=False), model, language="es")
    client.connect()
    client.append(silence(600))
    for number in range(1001, 1011):
        client.append(word(number) + silence(300))
        while client.deliver():
            pass
        client.wait(0.46)
    assert client.text == ""

    client.cut()
    client.connect()
    client.append(silence(700))
    client.settle()

    assert client.numbers == [str(number) for number in range(1001, 1011)]
    client.check()


@models
@spoken
def test_the_turn_that_is_spoken_is_translated_when_the_client_closes_the_session(model: str, heard: bool) -> None:
    client = between_turns(model, heard=heard)
    client.close()
    client.settle()

    assert client.text == "es1 es2"
    client.check()


@models
@spoken
def test_new_settings_lose_nothing_of_the_turn_that_is_spoken(model: str, heard: bool) -> None:
    client = between_turns(model, heard=heard)
    client.say("session.update", session=GERMAN)
    client.append(word(3) + silence(700))
    client.settle()

    assert client.numbers == ["1", "2", "3"]
    client.check()
