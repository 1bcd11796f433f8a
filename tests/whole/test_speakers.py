"""Speaker diarization of two voices by a real engine, through the official SDK."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai.types.audio import TranscriptionDiarized

from compat.emulator import sample
from compat.emulator.engines import engine
from tests.running import RunningServer, running_server

BEGIN, SECONDS = 8.5, 8.8  # both voices


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(engine("moonshine"), job_retention=600.0) as opened:
        yield opened


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("talk") / "nagg_nell.wav"
    with (
        wave.open(str(sample.path().with_name("endgame_nagg_nell.wav"))) as source,
        wave.open(str(path), "wb") as target,
    ):
        target.setparams(source.getparams())
        source.setpos(round(BEGIN * source.getframerate()))
        target.writeframes(source.readframes(round(SECONDS * source.getframerate())))
    return path


def test_two_voices_are_labelled_a_and_b_plain_and_streamed(server: RunningServer, talk: Path) -> None:
    create = server.client().audio.transcriptions.create
    answer = create(model="gpt-4o-transcribe-diarize", file=talk, response_format="diarized_json")

    assert isinstance(answer, TranscriptionDiarized)
    assert {"A", "B"} == {part.speaker for part in answer.segments}
    assert "A" == answer.segments[0].speaker

    segments, deltas, done = [], "", ""
    for event in create(model="gpt-4o-transcribe-diarize", file=talk, response_format="diarized_json", stream=True):
        match event.type:
            case "transcript.text.segment":
                segments.append((event.id, event.start, event.end, event.speaker, event.text))
            case "transcript.text.delta":
                deltas += event.delta
            case "transcript.text.done":
                done = event.text

    assert [(part.id, part.start, part.end, part.speaker, part.text) for part in answer.segments] == segments
    assert answer.text == done == deltas
    assert server.dashscope.counts["submit"] == 1
