"""A service that ends a session by closing the connection, without an event."""

from __future__ import annotations

import pytest

from compat.errors import ClosedNormally, CompatError, ServiceUnavailable
from tests.bridge.service import silence, word
from tests.bridge.translating import FLAT, Listening, TranslateService

SPEECH = silence(600) + word(1) + silence(700)


@pytest.mark.parametrize(
    ("answered", "error"),
    [(True, ClosedNormally("1000")), (False, ClosedNormally("1000")), (True, ServiceUnavailable("1006"))],
)
def test_a_session_that_is_closed_while_it_ends_loses_nothing(answered: bool, error: CompatError) -> None:
    client = Listening(TranslateService(model=FLAT), language="es")
    client.connect()
    client.append(SPEECH)
    while answered and client.deliver():
        pass
    client.close()
    while client.service and client.service.lines and answered:
        if "session.finished" in client.service.lines[0]:
            break
        client.deliver()

    client.service = None
    client.perform(client.bridge.upstream_lost(error, client.now))
    client.settle()

    client.check()
    assert client.text == "es1"
    assert client.of("error") == []


def test_unanswered_audio_is_sent_again_once() -> None:
    client = Listening(TranslateService(model=FLAT), language="es")
    client.connect()
    client.append(SPEECH)
    client.close()
    for _ in range(2):
        client.wait(1.0)
        client.connect()
        client.service = None
        client.perform(client.bridge.upstream_lost(ClosedNormally("1000"), client.now))

    client.check()
    assert client.hangup is not None
