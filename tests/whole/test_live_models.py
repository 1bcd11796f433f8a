"""Live speech with the models of the run-task protocol, over a connection that is cut repeatedly."""

from __future__ import annotations

import pytest

from compat.catalogue import live
from compat.emulator.engines.tones import Tones
from tests.recognisers import asking
from tests.whole.cutting import Breaks, cut_house
from tests.whole.live_speech import SILENCE_MS, Turn, make_recording, stream

FAMILIES = (
    "fun-asr-realtime",
    "qwen-audio-3.1-asr-flash-streaming",
    "qwen-audio-3.1-asr-flash-message",
    "paraformer-realtime-8k-v2",
    "paraformer-realtime-v1",
)
PAUSE_MS = 2000  # qwen-audio-3.1-asr-flash-message ends a sentence after 1.3 s of silence, whatever the client asks for


@pytest.mark.parametrize("mode", ["vad", "commits"])
@pytest.mark.parametrize(
    ("model", "form", "how"),
    [
        *((model, "pcm-24000", "here") for model in FAMILIES),
        (FAMILIES[0], "opus", "here"),
        (FAMILIES[0], "pcm-24000", "words"),
    ],
)
async def test_every_word_arrives_once_whatever_the_model(model: str, form: str, how: str, mode: str) -> None:
    recording = make_recording(40, PAUSE_MS)
    with asking(Tones(), how) as engine, cut_house(engine) as (base_url, wire):
        breaks = Breaks(wire, 13, recording.length_ms, pace=20, seed=FAMILIES.index(model))
        turns = await stream(base_url, recording, form, mode, breaks, model)

    assert wire.broken > 10
    assert [turn.text for turn in recording.turns] == [turn.text for turn in turns]
    if mode == "vad":
        silence = SILENCE_MS if "max_sentence_silence" in live.row(model).parameters else 0
        spoken = [Turn(turn.text, turn.begin_ms, turn.end_ms - SILENCE_MS + silence) for turn in recording.turns]
        assert spoken == turns
