"""OpenAI's names answered by qwen-audio-3.1, through the server and the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai.types.audio import TranscriptionVerbose

from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import FailTask, Rule
from tests.audio.media import make
from tests.endpoints.dickens import SENTENCES, TEXT, upload
from tests.running import RunningServer, running_server

FLASH, FILES = "qwen-audio-3.1-asr-flash", "qwen-audio-3.1-asr-flash-filetrans"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Scripted(SENTENCES), model_family="qwen-audio-3.1") as opened:
        yield opened


@pytest.fixture(scope="module")
def long_speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a WAV file of 301 seconds."""
    path = tmp_path_factory.mktemp("speech") / "long.wav"
    return make("wav", bytes(range(256)) * (301 * 8000 * 2 // 256 + 1), 8000, 1, path).read_bytes()


REQUESTS: list[tuple[dict[str, Any], bool, str, str]] = [
    # parameters, whether the audio is long → model, road
    ({"model": "whisper-1"}, False, FLASH, "generation-audio"),
    ({"model": "gpt-4o-mini-transcribe"}, False, FLASH, "generation-audio"),
    ({"model": "whisper-1", "response_format": "verbose_json"}, False, FLASH, "generation-audio"),
    ({"model": "whisper-1", "response_format": "diarized_json"}, False, FILES, "filetrans-3"),
    ({"model": "gpt-4o-transcribe-diarize"}, False, FILES, "filetrans-3"),
    ({"model": "gpt-4o-transcribe"}, True, FILES, "filetrans-3"),
    ({"model": "whisper-1", "response_format": "verbose_json"}, True, FILES, "filetrans-3"),
    ({"model": "qwen3-asr-flash"}, False, "qwen3-asr-flash", "chat"),
]


@pytest.mark.parametrize(("asked", "long", "model", "road"), REQUESTS)
def test_each_request_goes_to_the_model_of_the_family_that_can_do_it(
    server: RunningServer,
    speech: bytes,
    long_speech: bytes,
    asked: dict[str, Any],
    long: bool,
    model: str,
    road: str,
) -> None:
    audio = long_speech if long else speech
    raw = server.client().audio.transcriptions.with_raw_response.create(file=upload(audio), **asked)
    answer = raw.http_response.json()

    assert (TEXT, road) == (answer["text"], raw.headers["x-compat-road"])
    assert model == answer["dashscope"]["model"]
    assert "x-compat-ignored" not in raw.headers


def test_times_words_and_confidence_come_from_the_service(server: RunningServer, speech: bytes) -> None:
    answer = server.client().audio.transcriptions.create(
        model="whisper-1",
        file=upload(speech),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )

    assert [(0.1, 1.9), (2.0, 2.9)] == [(segment.start, segment.end) for segment in answer.segments or ()]
    assert ("times,", 1.4, 1.9) == ((answer.words or [])[5].word, (answer.words or [])[5].start, 1.9)


def test_the_usage_is_the_service_s_own(server: RunningServer, speech: bytes) -> None:
    """The service counts a prompt with the audio."""
    answer = server.client().audio.transcriptions.create(
        model="gpt-4o-transcribe", file=upload(speech), prompt="A tale of two cities."
    )

    assert {
        "type": "tokens",
        "input_tokens": 100,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 100},
        "output_tokens": 10,
        "total_tokens": 110,
    } == answer.to_dict()["usage"]


def test_the_text_is_streamed(server: RunningServer, speech: bytes) -> None:
    events = list(server.client().audio.transcriptions.create(model="whisper-1", file=upload(speech), stream=True))

    assert TEXT == "".join(event.delta for event in events if event.type == "transcript.text.delta")


def test_long_audio_is_streamed_in_pieces(server: RunningServer, long_speech: bytes) -> None:
    before = server.dashscope.counts["generation"]
    stream = server.client().audio.transcriptions.create(
        model="whisper-1", file=upload(long_speech), stream=True, prompt="A tale of two cities."
    )
    text = "".join(event.delta for event in stream if event.type == "transcript.text.delta")
    pieces = server.dashscope.counts["generation"] - before

    assert pieces > 1
    assert text == " ".join([TEXT] * pieces)
    last = server.dashscope.requests[-1]
    assert (FLASH, "A tale of two cities.") == (last.model, last.context)


def test_long_audio_that_dashscope_cannot_fetch_is_sent_in_pieces(long_speech: bytes) -> None:
    with running_server(Scripted(SENTENCES), model_family="qwen-audio-3.1") as server:
        server.fail(Rule("submit", FailTask("FILE_DOWNLOAD_FAILED"), times=None))
        raw = server.client().audio.transcriptions.with_raw_response.create(
            model="whisper-1",
            file=upload(long_speech),
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
        pieces = server.dashscope.counts["generation"]
    answer = raw.parse()

    assert isinstance(answer, TranscriptionVerbose)
    assert answer.text == " ".join([TEXT] * pieces)
    assert 2 * pieces == len(answer.segments or ())
    starts = [segment.start for segment in answer.segments or ()]
    assert [0.1, 2.0] == starts[:2]
    assert starts == sorted(starts)
    assert starts[-1] > 60
    assert 10 * pieces == len(answer.words or ())
    assert "x-compat-ignored" not in raw.headers
