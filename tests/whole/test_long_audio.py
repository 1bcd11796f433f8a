"""Ten minutes of tone-coded words by both roads: each word once, in order, at its time."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import srt
from openai.types.audio import TranscriptionVerbose

from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from tests.audio.media import make
from tests.recognisers import asking
from tests.running import running_server

SPOKEN = lay(itertools.islice(itertools.cycle(VOCABULARY), 1935), gap_ms=150)
WORDS = [word.text for word in SPOKEN]
NEAR = 0.05  # seconds


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("wav", encode(SPOKEN), 16000, 1, tmp_path_factory.mktemp("audio") / "long.wav")


@pytest.mark.parametrize("how", ["here", "words"])
def test_one_file_task(speech: Path, how: str) -> None:
    with asking(Tones(), how) as engine, running_server(engine) as server:
        create = server.client().audio.transcriptions.create
        answer = create(
            model="whisper-1", file=speech, response_format="verbose_json", timestamp_granularities=["word"]
        )
        captions = create(model="whisper-1", file=speech, response_format="srt")

    assert isinstance(answer, TranscriptionVerbose)
    assert answer.words is not None
    assert WORDS == [word.word for word in answer.words]
    assert all(
        abs(word.start - coded.begin_ms / 1000) <= NEAR and abs(word.end - coded.end_ms / 1000) <= NEAR
        for word, coded in zip(answer.words, SPOKEN, strict=True)
    )
    assert WORDS == [word for cue in srt.parse(captions) for word in cue.content.split()]


@pytest.mark.parametrize("how", ["here", "words"])
def test_pieces(speech: Path, how: str) -> None:
    with asking(Tones(), how) as engine, running_server(engine, long_road="pieces") as server:
        create = server.client().audio.transcriptions.create
        answer = create(model="whisper-1", file=speech, response_format="verbose_json")
        deltas = [
            event.delta
            for event in create(model="whisper-1", file=speech, stream=True)
            if event.type == "transcript.text.delta"
        ]

    assert isinstance(answer, TranscriptionVerbose)
    count = 0
    for segment in answer.segments or ():
        coded = SPOKEN[count : count + len(segment.text.split())]
        count += len(coded)
        assert [word.text for word in coded] == segment.text.split()
        assert segment.start <= coded[0].begin_ms / 1000 + NEAR
        assert coded[-1].end_ms / 1000 - NEAR <= segment.end
    assert len(WORDS) == count
    assert WORDS == "".join(deltas).split()
    assert len(deltas) >= 5
