"""Live speech over run-task, however the documents are read: the same words and times, and no errors."""

from __future__ import annotations

import pytest

from compat.catalogue import live
from compat.emulator.engines.tones import Tones
from compat.emulator.live_settings import TaskLimits, TaskReadings
from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from tests.whole.cutting import Breaks, cut_house
from tests.whole.live_speech import (
    SILENCE_MS,
    Recording,
    Turn,
    TurnCollector,
    frames,
    make_recording,
    session,
    stream_frames,
)

FUN, SECONDS, TOKENS = "fun-asr-realtime", "paraformer-realtime-v1", "qwen-audio-3.1-asr-flash-streaming"
PAUSE_MS = 2000
PAUSED_MS = 16_000  # 0.4 s at the pace of the stream


@pytest.mark.parametrize("mode", ["vad", "commits"])
@pytest.mark.parametrize(
    ("model", "readings", "limits"),
    [
        (TOKENS, TaskReadings(unknown_parameters="refused"), TaskLimits()),
        (FUN, TaskReadings(silence="failed"), TaskLimits(silence_seconds=1, heartbeat_seconds=0.5)),
        (FUN, TaskReadings(no_data="failed"), TaskLimits(request_seconds=0.3)),
        (FUN, TaskReadings(no_data="closed"), TaskLimits(request_seconds=0.3)),
        (FUN, TaskReadings(), TaskLimits(idle_seconds=0.02)),
        (TOKENS, TaskReadings(usage="sentence"), TaskLimits()),
        (FUN, TaskReadings(final_sign="sentence_end"), TaskLimits()),
        (FUN, TaskReadings(final_sign="end_time"), TaskLimits()),
        (FUN, TaskReadings(finals="twice"), TaskLimits()),
        (FUN, TaskReadings(finals="revised"), TaskLimits()),
    ],
)
async def test_the_same_words_and_times_under_every_reading(
    model: str, readings: TaskReadings, limits: TaskLimits, mode: str
) -> None:
    recording = make_recording(6, PAUSE_MS)
    turns = await _turns(recording, model, mode, readings, limits)
    assert turns == (_timeless(recording) if mode == "commits" else _spoken(recording, model))


@pytest.mark.parametrize("mode", ["vad", "commits"])
@pytest.mark.parametrize("reading", ["failed", "closed"])
async def test_a_minute_of_silence(reading: str, mode: str) -> None:
    whole = make_recording(70, 65_000)
    recording = Recording(whole.words, whole.turns, whole.turns[-1].end_ms + PAUSE_MS)
    readings = TaskReadings(silence=reading)  # type: ignore[arg-type] # one of them
    turns = await _turns(recording, SECONDS, mode, readings, TaskLimits(), pace=60)
    expected = _timeless(recording) if mode == "commits" else _spoken(recording, SECONDS)
    assert [turn.text for turn in expected] == [turn.text for turn in turns]
    # the next task begins at the end of a word, which is not the end of a window of the detector: 1 ms either way
    assert [turn.begin_ms for turn in expected] == pytest.approx([turn.begin_ms for turn in turns], abs=1)
    assert [turn.end_ms for turn in expected] == pytest.approx([turn.end_ms for turn in turns], abs=1)


@pytest.mark.parametrize("mode", ["vad", "commits"])
async def test_a_final_result_after_the_end_of_its_task_is_ignored(mode: str) -> None:
    """A turn then has its last partial text, which may lack the last word."""
    recording = make_recording(6, PAUSE_MS)
    answered = recording.turns if mode == "commits" else recording.turns[:-1]
    expected = Recording(recording.words, answered, recording.length_ms)
    turns = await _turns(recording, FUN, mode, TaskReadings(late_final=True), TaskLimits(), expected)
    assert len(answered) == len(turns)
    for spoken, turn in zip(answered, turns, strict=True):
        assert spoken.text.split()[:-1] == turn.text.split()[: len(spoken.text.split()) - 1]


@pytest.mark.parametrize("reading", ["finished", "empty_audio", "no_valid_audio"])
async def test_a_silent_turn_is_empty(reading: str) -> None:
    recording = make_recording(4, PAUSE_MS)
    silence = Recording((), (Turn("", 0, 500), *recording.turns), recording.length_ms)
    readings = TaskReadings(silent_task=reading)  # type: ignore[arg-type] # one of them
    turns = await _turns(recording, FUN, "commits", readings, TaskLimits(), silence)
    assert ["", *(turn.text for turn in recording.turns)] == [turn.text for turn in turns]


async def _turns(
    recording: Recording,
    model: str,
    mode: str,
    readings: TaskReadings,
    limits: TaskLimits,
    expected: Recording | None = None,
    pace: float = 40,
) -> list[Turn]:
    """Stream a recording, with a pause in the stream within the second turn; return its turns."""
    expected = expected or recording
    pause = recording.turns[1].begin_ms + 700
    with cut_house(Tones(), Readings(inference=readings), Limits(inference=limits)) as (base_url, wire):
        breaks = Breaks(wire, 0, 1000, pace=pace, seed=0)
        sound = ((at if at < pause else at + PAUSED_MS, frame) for at, frame in frames(recording, "pcm-24000"))
        commits = [turn.end_ms + (PAUSED_MS if turn.end_ms > pause else 0) for turn in expected.turns]
        collector = TurnCollector(len(expected.turns))
        configuration = session("pcm-24000", mode, model=model)
        return await stream_frames(
            base_url, configuration, sound, commits if mode == "commits" else [], collector, breaks
        )


def _timeless(recording: Recording) -> list[Turn]:
    return [Turn(turn.text, -1, -1) for turn in recording.turns]


def _spoken(recording: Recording, model: str) -> list[Turn]:
    silence = SILENCE_MS if "max_sentence_silence" in live.row(model).parameters else 0
    return [Turn(turn.text, turn.begin_ms, turn.end_ms - SILENCE_MS + silence) for turn in recording.turns]
