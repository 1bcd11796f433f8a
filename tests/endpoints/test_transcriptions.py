"""Transcriptions with the official SDK, against the emulator with a scripted engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import httpx2
import openai
import pytest
import srt
import webvtt
from openai.types.audio import Transcription, TranscriptionStreamEvent, TranscriptionVerbose

from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from tests.audio.media import make
from tests.endpoints.dickens import SENTENCES, TEXT, upload
from tests.running import RunningServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Scripted(SENTENCES)) as opened:
        yield opened


def collected(
    stream: openai.Stream[TranscriptionStreamEvent], each: Callable[[], object] = lambda: None
) -> tuple[list[str], str]:
    """Return the deltas and the text of the final `done` event. `each` is called at every event."""
    deltas: list[str] = []
    for event in stream:
        each()
        if event.type == "transcript.text.done":
            assert [] == list(stream)
            return deltas, event.text
        assert event.type == "transcript.text.delta"
        deltas.append(event.delta)
    raise AssertionError("the stream ended without a done event")


def test_json_has_openai_s_fields_and_an_extension(server: RunningServer, speech: bytes) -> None:
    answer = server.client().audio.transcriptions.create(model="whisper-1", file=upload(speech))

    assert isinstance(answer, Transcription)
    assert TEXT == answer.text
    assert {"type": "duration", "seconds": 3} == answer.to_dict()["usage"]
    extension = answer.to_dict()["dashscope"]
    assert isinstance(extension, dict)
    assert {
        "model": "qwen3-asr-flash",
        "surface": "chat",
        "language": "en",
        "emotion": "neutral",
    }.items() <= extension.items()


def test_gpt_models_report_tokens(server: RunningServer, speech: bytes) -> None:
    answer = server.client().audio.transcriptions.create(model="gpt-4o-transcribe", file=upload(speech))

    usage = answer.to_dict()["usage"]
    assert isinstance(usage, dict)
    assert ("tokens", 75) == (usage["type"], usage["input_token_details"]["audio_tokens"])


def test_the_text_format_is_the_transcript_only(server: RunningServer, speech: bytes) -> None:
    answer = server.client().audio.transcriptions.create(model="whisper-1", file=upload(speech), response_format="text")

    assert TEXT == answer.strip()


def test_verbose_json_has_the_service_s_timestamps(server: RunningServer, speech: bytes) -> None:
    answer = server.client().audio.transcriptions.create(
        model="whisper-1",
        file=upload(speech),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )

    assert isinstance(answer, TranscriptionVerbose)
    assert ("english", 3.0, TEXT) == (answer.language, answer.duration, answer.text)
    assert answer.segments is not None
    assert answer.words is not None
    assert [(0.1, 2.9)] == [
        (segment.start, segment.end) for segment in answer.segments
    ]  # one sentence of two fragments
    assert [("en", "neutral")] == [
        (segment["language"], segment["emotion"]) for segment in answer.model_dump()["segments"]
    ]
    assert ("times,", 1.4, 1.9) == (answer.words[5].word, answer.words[5].start, answer.words[5].end)


def test_captions_are_valid(server: RunningServer, speech: bytes) -> None:
    create = server.client().audio.transcriptions.create

    cues = list(srt.parse(create(model="whisper-1", file=upload(speech), response_format="srt")))
    captions = webvtt.from_string(create(model="whisper-1", file=upload(speech), response_format="vtt"))

    assert TEXT.split() == [word for cue in cues for word in cue.content.split()]
    assert TEXT.split() == [word for caption in captions.captions for word in caption.text.split()]


async def test_the_async_client_works(server: RunningServer, speech: bytes) -> None:
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="k") as client:
        answer = await client.audio.transcriptions.create(model="whisper-1", file=upload(speech))

    assert TEXT == answer.text


def test_deltas_are_sent_before_recognition_ends(speech: bytes) -> None:
    received_first = threading.Event()
    engine = Scripted(SENTENCES, before=lambda sentence: sentence is SENTENCES[0] or received_first.wait(10))
    with running_server(engine) as server:
        stream = server.client().audio.transcriptions.create(
            model="gpt-4o-transcribe", file=upload(speech), stream=True
        )
        deltas, done = collected(stream, received_first.set)

    assert len(deltas) > 1
    assert TEXT == done == "".join(deltas)


def test_a_long_file_can_be_streamed(server: RunningServer, speech: bytes) -> None:
    stream = server.client().audio.transcriptions.create(model="fun-asr", file=upload(speech), stream=True)

    deltas, done = collected(stream)

    assert TEXT == done == "".join(deltas)


def test_parameters_reach_the_service(server: RunningServer, speech: bytes) -> None:
    server.client().audio.transcriptions.create(
        model="whisper-1",
        file=upload(speech),
        language="zh-CN",
        prompt="Dickens",
        extra_body={"enable_itn": True, "keywords": ["Darnay"]},
    )

    seen = server.dashscope.requests[-1]
    assert ("chat", "qwen3-asr-flash", "data:audio/wav") == (seen.surface, seen.model, seen.audio)
    assert {"language": "zh", "enable_itn": True}.items() <= seen.parameters["asr_options"].items()
    assert seen.context is not None
    assert "Dickens" in seen.context
    assert "Darnay" in seen.context


@pytest.mark.parametrize("model", ["qwen-audio-3.1-asr-flash", "qwen-audio-3.1-asr-flash-filetrans"])
def test_prompt_and_keywords_reach_qwen_audio_3(server: RunningServer, speech: bytes, model: str) -> None:
    biased = {"prompt": "A talk by Ada.", "keywords": ["Qwen", "Ada"]}
    server.client().audio.transcriptions.create(model=model, file=upload(speech), extra_body=biased)

    [seen] = [each for each in server.dashscope.requests if each.model == model and each.context]
    assert ("A talk by Ada.", {"Qwen": 4, "Ada": 4}) == (seen.context, seen.parameters["vocabulary"])


def test_ignored_parameters_are_listed(server: RunningServer, speech: bytes) -> None:
    raw = server.client().audio.transcriptions.with_raw_response.create(
        model="whisper-1",
        file=upload(speech),
        temperature=0.4,
        include=["logprobs"],
        chunking_strategy="auto",
        extra_body={"best_of": 5},
    )

    assert {"temperature", "include", "chunking_strategy", "best_of"} == set(raw.headers["x-compat-ignored"].split(","))
    assert "chat" == raw.headers["x-compat-road"]
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.headers["openai-processing-ms"].isdecimal()


@pytest.mark.parametrize(
    ("limits", "lines"),
    [
        ({}, [["It was the best of times,", "it was the worst."]]),
        ({"max_line_width": 18}, [["It was the best", "of times,"], ["it was the worst."]]),
        ({"max_line_width": 16, "max_line_count": 1}, [["It was the best"], ["of times, it was"], ["the worst."]]),
        ({"max_words_per_line": 3}, [["It was the"], ["best of times,"], ["it was"], ["the worst."]]),
    ],
)
def test_captions_have_the_requested_lines(
    server: RunningServer, speech: bytes, limits: dict[str, int], lines: list[list[str]]
) -> None:
    create = server.client().audio.transcriptions.create
    alone = create(model="whisper-1", file=upload(speech), response_format="srt", extra_body=limits)
    asked = {**limits, "captions": "srt"}
    beside = create(model="whisper-1", file=upload(speech), response_format="verbose_json", extra_body=asked)

    assert lines == [cue.content.split("\n") for cue in srt.parse(alone)]
    assert alone == beside.to_dict()["dashscope"]["captions"]["srt"]  # type: ignore[index]


def test_limits_of_captions_are_ignored_without_captions(server: RunningServer, speech: bytes) -> None:
    raw = server.client().audio.transcriptions.with_raw_response.create(
        model="whisper-1", file=upload(speech), response_format="json", extra_body={"max_line_width": 20}
    )

    assert "max_line_width" == raw.headers["x-compat-ignored"]


def test_stream_is_ignored_for_captions(server: RunningServer, speech: bytes) -> None:
    answer = httpx2.post(
        f"{server.base_url}/audio/transcriptions",
        data={"model": "whisper-1", "response_format": "srt", "stream": "true"},
        files={"file": upload(speech)},
    )

    assert "stream" == answer.headers["x-compat-ignored"]
    assert TEXT.split() == [word for cue in srt.parse(answer.text) for word in cue.content.split()]


@pytest.mark.parametrize("model", ["whisper-1", "fun-asr", "qwen3-asr-flash-filetrans", "qwen-audio-3.1-asr-flash"])
@pytest.mark.parametrize("form", ["json", "text", "srt", "vtt", "verbose_json"])
def test_silence_is_an_empty_transcript_on_every_surface(
    silent: RunningServer, model: str, form: str, speech: bytes
) -> None:
    answer = httpx2.post(
        f"{silent.base_url}/audio/transcriptions",
        data={"model": model, "response_format": form},
        files={"file": upload(speech)},
    )

    assert 200 == answer.status_code
    text = answer.json()["text"] if form.endswith("json") else answer.text
    assert text.strip() in ("", "WEBVTT")


@pytest.fixture(scope="module")
def silent() -> Iterator[RunningServer]:
    with running_server(Scripted(())) as opened:
        yield opened


def test_an_empty_transcript_of_long_audio_is_requested_again(tmp_path: Path) -> None:
    audio = make("wav", bytes(range(256)) * 1000, 16000, 1, tmp_path / "a.wav").read_bytes()
    with running_server(Scripted((), SENTENCES)) as server:
        assert TEXT == server.client().audio.transcriptions.create(model="whisper-1", file=BytesIO(audio)).text


def test_a_transcript_that_repeats_the_context_is_requested_again_without_it(speech: bytes) -> None:
    leaked = Sentence(text="Charles Darnay, Sydney Carton", begin_ms=0, end_ms=900)
    with running_server(Scripted((leaked,), ())) as server:
        answer = server.client().audio.transcriptions.create(
            model="whisper-1", file=upload(speech), prompt="Charles Darnay, Sydney Carton"
        )

        assert "" == answer.text
        assert [None] == [seen.context for seen in list(server.dashscope.requests)[1:]]
