"""Tone-coded words in every container and rate, through the official SDK: every word, within 50 ms of its time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from tests.audio.media import make
from tests.running import RunningServer, running_server

WORDS = lay(VOCABULARY, begin_ms=300, gap_ms=130)

FILES = [
    *[("wav", rate, channels) for rate in (8000, 16000, 44100, 48000) for channels in (1, 2)],
    *[(container, 44100, 1) for container in ("mp3", "mp3-vbr", "m4a", "flac", "ogg")],
    *[(container, 48000, 2) for container in ("mp3", "m4a", "flac", "opus", "webm", "mp4")],
]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Tones()) as opened:
        yield opened


def stereo(pcm: bytes) -> bytes:
    return b"".join(pcm[at : at + 2] * 2 for at in range(0, len(pcm), 2))


@pytest.mark.parametrize(("container", "rate", "channels"), FILES)
def test_every_word_arrives_on_time(
    server: RunningServer, tmp_path: Path, container: str, rate: int, channels: int
) -> None:
    pcm = encode(WORDS, rate=rate)
    path = make(container, stereo(pcm) if channels == 2 else pcm, rate, channels, tmp_path / "misnamed.txt")
    create = server.client().audio.transcriptions.create

    text = create(model="whisper-1", file=path).text
    timed = create(
        model="whisper-1", file=path, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )

    assert list(VOCABULARY) == text.lower().replace(".", "").replace(",", "").split()
    assert timed.words is not None
    assert [word.text for word in WORDS] == [word.word.lower().strip(".,") for word in timed.words]
    for coded, recognised in zip(WORDS, timed.words, strict=True):
        assert abs(coded.begin_ms / 1000 - recognised.start) <= 0.05
        assert abs(coded.end_ms / 1000 - recognised.end) <= 0.05
    assert abs(timed.duration - len(pcm) / 2 / rate) <= 0.1


def test_a_file_too_large_for_a_surface_is_re_encoded_without_losing_words(
    server: RunningServer, tmp_path: Path
) -> None:
    words = lay(VOCABULARY * 9, begin_ms=300, gap_ms=150)
    pcm = encode(words, rate=44100)
    path = make("wav", stereo(pcm), 44100, 2, tmp_path / "big.wav")
    assert path.stat().st_size > 10 << 20

    answer = server.client().audio.transcriptions.with_raw_response.create(model="whisper-1", file=path)

    assert "chat" == answer.headers["x-compat-road"]
    assert list(VOCABULARY * 9) == answer.parse().text.lower().replace(".", "").replace(",", "").split()
    assert "data:audio/flac" == server.dashscope.requests[-1].audio
