"""Live speech is translated over a connection that is cut repeatedly: every word once, in order, as text and voice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import openai
import pytest
from openai.lib.realtime_translation import TranslationSession

from compat.emulator.engines.tones import Tones
from compat.emulator.live_settings import TranslationReadings
from compat.emulator.readings import Readings
from tests.whole.cutting import Breaks, cut_house
from tests.whole.live_speech import Recording, make_recording
from tests.whole.translated import Heard, at_once, connected, expected, managed

OLDEST, FLAT, NESTED, TEXT_ONLY = (
    "qwen3-livetranslate-flash-realtime",
    "qwen3.5-livetranslate-flash-realtime",
    "qwen3.8-livetranslate-flash-realtime",
    "qwen-mt-flash",
)


@pytest.mark.parametrize(
    ("model", "stream"),
    [(OLDEST, managed), (FLAT, managed), (NESTED, managed), (TEXT_ONLY, managed), (FLAT, connected)],
)
async def test_every_word_is_translated_once(
    model: str, stream: Callable[[str, str, Recording, Breaks], Awaitable[Heard]]
) -> None:
    recording = make_recording(60)
    with cut_house(Tones()) as (base_url, wire):
        wire.most_in_a_row = 2  # before each further reconnection the server waits twice as long: 1 s, 2 s, …
        heard = await stream(base_url, model, recording, Breaks(wire, 16, recording.length_ms, pace=15, seed=7))

    assert wire.broken > 10
    assert heard.text == expected(recording, "[Spanish]" if model == TEXT_ONLY else "[es]")
    assert heard.source == " ".join(turn.text for turn in recording.turns)
    assert heard.voice == ([] if model == TEXT_ONLY else heard.source.split())


@pytest.mark.parametrize("model", [FLAT, NESTED])
@pytest.mark.parametrize(
    "readings",
    [
        TranslationReadings(speech=False),
        TranslationReadings(previous_item=False),
        TranslationReadings(speech=False, previous_item=False),
        TranslationReadings(source="after"),
        TranslationReadings(speech=False, source="after"),
        TranslationReadings(done="twice"),
        TranslationReadings(done="contradicted"),
        TranslationReadings(finished=False),
    ],
)
async def test_every_word_is_translated_once_under_every_reading(model: str, readings: TranslationReadings) -> None:
    recording = make_recording(6)
    with cut_house(Tones(), Readings(livetranslate=readings)) as (base_url, wire):
        heard = await managed(base_url, model, recording, Breaks(wire, 0, 1000, pace=40, seed=0))

    assert heard.text.lower() == expected(recording, "[es]")
    assert heard.source == " ".join(turn.text for turn in recording.turns)
    assert heard.voice == heard.source.split()


def test_synchronous_clients() -> None:
    recording = make_recording(6)
    with cut_house(Tones()) as (base_url, wire):
        translations = openai.OpenAI(base_url=base_url, api_key="k").realtime.translations
        with TranslationSession(translations, model=NESTED) as session:
            assert at_once(session, recording, wire).text == expected(recording, "[es]")
        with translations.connect(model="gpt-realtime-translate") as connection:
            assert at_once(connection, recording, wire).text == expected(recording, "[es]")
