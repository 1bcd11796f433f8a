"""Conversations of live translation in which a turn is answered by several responses."""

from __future__ import annotations

import pytest

from tests.bridge.service import silence, word
from tests.bridge.translating import FLAT, NESTED, Listening, TranslateService

models = pytest.mark.parametrize("model", [FLAT, NESTED])
GERMAN = {"audio": {"output": {"language": "de"}}}


@models
def test_more_text_of_a_turn_that_new_settings_postpone_is_ignored_with_it(model: str) -> None:
    client = Listening(TranslateService(model=model, responses=1), model, language="es")
    client.connect()
    client.append(silence(500))
    client.say("session.update", session=GERMAN)
    client.append(silence(600) + word(1) + silence(100) + word(2) + silence(700))

    client.settle()

    assert client.text == "de1 de2"
    client.check()
