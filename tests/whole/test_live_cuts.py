"""Live speech over a connection that is cut repeatedly: the same words in order, none lost and none repeated."""

from __future__ import annotations

import pytest

from compat.emulator.engines.tones import Tones
from tests.recognisers import asking
from tests.whole.cutting import Breaks, cut_house
from tests.whole.live_speech import FORMATS, Turn, TurnCollector, make_recording, session, stream, stream_frames
from tests.whole.speech import PAUSES, pcm, steady


@pytest.mark.parametrize("mode", ["vad", "commits"])
@pytest.mark.parametrize(("form", "how"), [*((form, "here") for form in FORMATS), ("pcm-16000", "words")])
async def test_every_word_arrives_once_whatever_the_format(form: str, how: str, mode: str) -> None:
    recording = make_recording(40)
    with asking(Tones(), how) as engine, cut_house(engine) as (base_url, wire):
        breaks = Breaks(wire, 13, recording.length_ms, pace=15, seed=FORMATS.index(form))
        turns = await stream(base_url, recording, form, mode, breaks)

    assert wire.broken > 5
    timeless = [Turn(turn.text, -1, -1) for turn in recording.turns]
    assert turns == (timeless if mode == "commits" else list(recording.turns))


@pytest.mark.parametrize("mode", ["vad", "commits"])
@pytest.mark.parametrize("model", ["qwen3-asr-flash-realtime", "fun-asr-realtime"])
async def test_speech_cut_twenty_times_has_the_same_transcript_as_uncut_speech(model: str, mode: str) -> None:
    sound = pcm() + bytes(48_000)
    length_ms = len(sound) // 48
    frames = [(at // 48, sound[at : at + 4800]) for at in range(0, len(sound), 4800)]
    engine, transcripts = steady(), []
    for cuts in (0, 20):
        with cut_house(engine) as (base_url, wire):
            spare = cuts // 5  # cuts after the end of the speech have no effect
            breaks = Breaks(wire, cuts + spare, length_ms, pace=8 if cuts else 48, seed=20)
            commits = [round(at * 1000) for at in PAUSES] + [length_ms] if mode == "commits" else []
            collector = TurnCollector(len(commits)) if commits else TurnCollector(until_ms=length_ms - 4500)
            configuration = session("pcm-24000", mode, model=model)
            turns = await stream_frames(base_url, configuration, frames, commits, collector, breaks)
        assert cuts <= wire.broken <= cuts + spare
        transcripts.append([turn.text for turn in turns])

    assert transcripts[0] == transcripts[1]
