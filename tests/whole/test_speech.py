"""Real speech, transcribed by a real engine, through the official SDK."""

from __future__ import annotations

import itertools
import re
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
import srt

from compat.emulator import sample
from tests.running import RunningServer, running_server
from tests.whole.speech import remembering

LOOPS = 2
LINES = (
    "it was the best of times",
    "it was the worst of times",
    "it was the age of wisdom",
    "we had nothing before us",
)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(remembering()) as opened:
        yield opened


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def spoken(text: str) -> str:
    return " ".join(words(text))


def test_ten_seconds(server: RunningServer) -> None:
    path = sample.path().with_name("beckett.wav")

    answer = server.client().audio.transcriptions.create(model="whisper-1", file=path)

    assert spoken(answer.text).startswith("ever tried ever failed no matter try again")


def test_forty_four_seconds_streamed(server: RunningServer) -> None:
    stream = server.client().audio.transcriptions.create(model="gpt-4o-transcribe", file=sample.path(), stream=True)

    deltas = []
    for event in stream:
        if event.type == "transcript.text.done":
            done = event.text
        elif event.type == "transcript.text.delta":
            deltas.append(event.delta)

    assert len(deltas) > 3
    assert done == "".join(deltas)
    assert all(line in spoken(done) for line in LINES)


@pytest.fixture(scope="module")
def looped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the 44 s sample repeated to a minute and a half."""
    with wave.open(str(sample.path())) as source:
        rate, pcm = source.getframerate(), source.readframes(source.getnframes())
    path = tmp_path_factory.mktemp("looped") / "looped.wav"
    with wave.open(str(path), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(rate)
        for _ in range(LOOPS):
            target.writeframes(pcm)
    return path


def test_long_speech_has_the_word_times_of_every_repetition(server: RunningServer, looped: Path) -> None:
    raw = server.client().audio.transcriptions.with_raw_response.create(
        model="whisper-1", file=looped, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    answer = raw.parse()

    assert "filetrans" == raw.headers["x-compat-road"]
    assert answer.words is not None
    loop = answer.duration / LOOPS
    starts = [word.start for word in answer.words if "wisdom" in word.word.lower()]
    assert LOOPS == len(starts)
    assert all(abs(start - starts[0] - loop * number) <= 0.5 for number, start in enumerate(starts))
    assert all(before.start <= after.start for before, after in itertools.pairwise(answer.words))


def test_captions_follow_the_speech(server: RunningServer) -> None:
    answer = server.client().audio.transcriptions.create(model="whisper-1", file=sample.path(), response_format="srt")

    cues = list(srt.parse(answer))
    assert all(line in spoken(" ".join(cue.content for cue in cues)) for line in LINES)
    assert all(before.end <= after.start for before, after in itertools.pairwise(cues))
    assert all((cue.end - cue.start).total_seconds() <= 7 for cue in cues)
    assert all(len(line) <= 42 for cue in cues for line in cue.content.split("\n"))
