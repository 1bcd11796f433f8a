"""Silence where the client of a translation sends no sound."""

from __future__ import annotations

import pytest

from tests.bridge.service import RATE, Service, silence, word
from tests.bridge.translating import FLAT, NESTED, TEXT_ONLY, Listening, TranslateService

models = pytest.mark.parametrize("model", [FLAT, NESTED, TEXT_ONLY])


def listening(model: str) -> Listening:
    service = Service() if model == TEXT_ONLY else TranslateService(model=model)
    opened = Listening(service, model, language="es")
    opened.connect()
    return opened


def send(listening: Listening, pcm: bytes, seconds: float, late: float = 0.0) -> None:
    """Send this many seconds of audio at a time, each `late` seconds after it was spoken."""
    step = round(seconds * RATE) * 2
    for at in range(0, len(pcm), step):
        listening.append(pcm[at : at + step])
        for _ in range(round((seconds + late) * 10)):
            listening.wait(0.1)
            while listening.deliver():
                pass


@models
@pytest.mark.parametrize(("seconds", "late"), [(1.0, 0.0), (2.0, 0.5), (0.1, 0.8)])
def test_sound_that_comes_late_or_in_long_pieces_is_not_interrupted(model: str, seconds: float, late: float) -> None:
    client = listening(model)

    send(client, silence(940) + b"".join(word(number) + silence(100) for number in range(1, 9)), seconds, late)
    client.settle()

    client.check()
    assert client.text == "es1 es2 es3 es4 es5 es6 es7 es8"


@models
def test_a_client_that_stops_sending_gets_the_end_of_its_last_sentence(model: str) -> None:
    client = listening(model)

    send(client, silence(600) + word(1) + silence(100) + word(2), 0.1)
    for _ in range(30):
        client.wait(0.1)
        while client.deliver():
            pass

    assert client.text == "es1 es2"
    client.settle()
    assert client.bridge.seconds == pytest.approx(1.02)


@models
@pytest.mark.parametrize("stall", [0.9, 9.9])
def test_a_network_that_stalls_in_a_word_does_not_split_it(model: str, stall: float) -> None:
    client = listening(model)
    said = silence(600) + b"".join(word(number) + silence(100) for number in range(1001, 1005))
    middle = said.index(word(1003)) + len(word(1003)) // 4 * 2

    send(client, said[:middle], 0.1)
    client.wait(stall)
    send(client, said[middle:], 5.0)
    client.settle()

    client.check()
    assert client.text == "es1001 es1002 es1003 es1004"


@models
def test_a_client_that_stops_sending_in_a_word_gets_it_some_seconds_later(model: str) -> None:
    client = listening(model)

    send(client, silence(600) + word(1001), 0.1)
    for _ in range(120):
        client.wait(0.1)
        while client.deliver():
            pass

    assert client.text == "es1001"


@models
def test_a_word_that_stalled_before_a_reconnection_goes_on_after_it(model: str) -> None:
    client = listening(model)
    send(client, silence(600) + word(1001)[:3200], 0.1)
    client.cut()
    client.wait(15.0)
    client.connect()
    client.settle()

    assert client.text == "es1001/3200"
