"""Speaker diarization, channels and other results of file tasks, through the official SDK."""

from __future__ import annotations

import array
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai.types.audio import TranscriptionDiarized, TranscriptionVerbose

from compat.emulator.engine import Sentence, Word
from compat.emulator.engines.scripted import Scripted
from compat.emulator.engines.tones import Tones, encode, lay
from tests.audio.media import RECIPES, make, write
from tests.audio.odd import CONTAINERS
from tests.running import RunningServer, running_server

SENTENCES = (
    Sentence(text="Damn!", begin_ms=100, end_ms=500, speaker=3, words=(Word("Damn", 100, 500, "!"),)),
    Sentence(text="Language.", begin_ms=600, end_ms=900, speaker=1, words=(Word("Language", 600, 900, "."),)),
)
LEFT, RIGHT = ("amber", "basil", "cedar"), ("ocean", "pepper")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Scripted(SENTENCES)) as opened:
        yield opened


@pytest.fixture(scope="module")
def tones() -> Iterator[RunningServer]:
    with running_server(Tones()) as opened:
        yield opened


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make("wav", bytes(range(256)) * 125, 16000, 1, tmp_path_factory.mktemp("a") / "a.wav").read_bytes()


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a stereo call: the words LEFT on the first channel, then RIGHT on the second."""
    length = 3000
    sides = [
        array.array("h", encode(lay(LEFT), length_ms=length)),
        array.array("h", encode(lay(RIGHT, begin_ms=1500), length_ms=length)),
    ]
    pcm = array.array("h", (sample for pair in zip(*sides, strict=True) for sample in pair)).tobytes()
    return make("wav", pcm, 16000, 2, tmp_path_factory.mktemp("a") / "call.wav").read_bytes()


DIARIZING = [  # parameters → the model and road that are used
    ({"model": "gpt-4o-transcribe-diarize"}, "fun-asr", "transcription"),
    ({"model": "whisper-1"}, "fun-asr", "transcription"),
    ({"model": "paraformer-v2"}, "paraformer-v2", "transcription"),
    ({"model": "qwen-audio-3.1-asr-flash-filetrans"}, "qwen-audio-3.1-asr-flash-filetrans", "filetrans-3"),
    ({"model": "qwen-audio-3.0-asr-flash"}, "qwen-audio-3.0-asr-flash-filetrans", "filetrans-3"),
]


@pytest.mark.parametrize(("asked", "model", "road"), DIARIZING)
def test_speakers_are_distinguished(
    server: RunningServer, speech: bytes, asked: dict[str, Any], model: str, road: str
) -> None:
    raw = server.client().audio.transcriptions.with_raw_response.create(
        file=("a.wav", speech), response_format="diarized_json", chunking_strategy="auto", **asked
    )
    answer = raw.parse()

    assert isinstance(answer, TranscriptionDiarized)
    assert [("A", "Damn!"), ("B", "Language.")] == [(part.speaker, part.text) for part in answer.segments]
    assert (road, model) == (raw.headers["x-compat-road"], answer.to_dict()["dashscope"]["model"])  # type: ignore[index]  # an extension
    assert server.dashscope.requests[0].parameters is not None


@pytest.mark.parametrize("asked", [row[0] for row in DIARIZING])
def test_speakers_are_distinguished_in_a_stream(server: RunningServer, speech: bytes, asked: dict[str, Any]) -> None:
    stream = server.client().audio.transcriptions.create(
        file=("a.wav", speech), response_format="diarized_json", stream=True, **asked
    )

    events = list(stream)
    deltas = "".join(event.delta for event in events if event.type == "transcript.text.delta")
    assert ["A", "B"] == [event.speaker for event in events if event.type == "transcript.text.segment"]
    assert events[-1].type == "transcript.text.done"
    assert deltas == events[-1].text == "Damn! Language."


def test_the_model_for_diarization_can_be_set(speech: bytes) -> None:
    with running_server(Scripted(SENTENCES), diarize_model="qwen-audio-3.1-asr-flash-filetrans") as server:
        raw = server.client().audio.transcriptions.with_raw_response.create(
            model="gpt-4o-transcribe-diarize", file=("a.wav", speech), response_format="diarized_json"
        )

    assert "filetrans-3" == raw.headers["x-compat-road"]


def test_an_ignored_prompt_does_not_count_in_the_usage(server: RunningServer, speech: bytes) -> None:
    usages = []
    for prompt in ("", "A long list of names."):
        raw = server.client().audio.transcriptions.with_raw_response.create(
            model="gpt-4o-transcribe-diarize", file=("a.wav", speech), prompt=prompt
        )
        usages.append(json.loads(raw.text)["usage"])

    assert "prompt" == raw.headers["x-compat-ignored"]
    assert usages[0] == usages[1]
    assert 0 == usages[1]["input_token_details"]["text_tokens"]


def test_known_speakers_are_reported_as_ignored(server: RunningServer, speech: bytes) -> None:
    raw = server.client().audio.transcriptions.with_raw_response.create(
        model="gpt-4o-transcribe-diarize",
        file=("a.wav", speech),
        response_format="diarized_json",
        known_speaker_names=["Nell"],
        known_speaker_references=["data:audio/wav;base64,AAAA"],
        include=["logprobs"],
    )

    assert "include,known_speaker_names,known_speaker_references" == raw.headers["x-compat-ignored"]


def test_a_model_without_diarization_is_refused(server: RunningServer, speech: bytes) -> None:
    with pytest.raises(openai.BadRequestError, match="speaker diarization") as raised:
        server.client().audio.transcriptions.create(
            model="qwen3-asr-flash-filetrans", file=("a.wav", speech), response_format="diarized_json"
        )

    assert "response_format" == raised.value.param


@pytest.mark.parametrize("model", ["fun-asr", "paraformer-v2"])
def test_words_are_masked_only_on_request(server: RunningServer, speech: bytes, model: str) -> None:
    create = server.client().audio.transcriptions.create

    plain = create(model=model, file=("a.wav", speech))
    masked = create(
        model=model, file=("a.wav", speech), extra_body={"special_word_filter": '{"system_reserved_filter": true}'}
    )

    assert ("Damn! Language.", "****! Language.") == (plain.text, masked.text)


@pytest.mark.parametrize("model", ["whisper-1", "fun-asr"])
def test_segments_have_the_channel_of_a_call(tones: RunningServer, call: bytes, model: str) -> None:
    answer = tones.client().audio.transcriptions.create(
        model=model,
        file=("call.wav", call),
        response_format="verbose_json",
        extra_body={"channel_id": ["0", "1"]},
    )

    assert isinstance(answer, TranscriptionVerbose)
    segments = [segment.to_dict() for segment in answer.segments or ()]
    texts = [(part["channel"], part["text"]) for part in segments]
    assert [(0, f" {' '.join(LEFT)}"), (1, f" {' '.join(RIGHT)}")] == texts


@pytest.mark.parametrize("kind", ["joined", "joined with a mono file", "junk in front", "aiff", "au", "late"])
def test_channels_are_kept_apart_when_a_file_is_re_encoded(
    tones: RunningServer, call: bytes, tmp_path: Path, kind: str
) -> None:
    mono = make("wav", encode(lay(["amber"])), 16_000, 1, tmp_path / "mono").read_bytes()
    files = {"joined": call + call, "joined with a mono file": call + mono, "junk in front": bytes(range(128)) + call}
    again = {"joined": (LEFT, RIGHT), "joined with a mono file": (("amber",), ())}.get(kind, ((), ()))
    if kind not in files:
        recipe = {"late": RECIPES["mp4"]}.get(kind) or CONTAINERS[kind]
        write(recipe, call[-2 * 2 * 48_000 :], 16_000, 2, str(tmp_path / "call"), late=2 * (kind == "late"))
        files[kind] = (tmp_path / "call").read_bytes()
    answer = tones.client().audio.transcriptions.create(
        model="whisper-1",
        file=("call", files[kind]),
        response_format="verbose_json",
        extra_body={"channel_id": ["0", "1"]},
    )
    segments = [segment.to_dict() for segment in answer.segments or ()]
    texts = [" ".join(part["text"].strip() for part in segments if part["channel"] == number) for number in (0, 1)]  # type: ignore[attr-defined]

    assert [" ".join(LEFT + again[0]), " ".join(RIGHT + again[1])] == texts
    assert segments[0]["start"] == pytest.approx(2.2 if kind == "late" else 0.2, abs=0.1)


@pytest.mark.parametrize("stream", [False, True])
def test_each_channel_has_its_own_speakers(tones: RunningServer, call: bytes, *, stream: bool) -> None:
    answer = httpx2.post(
        f"{tones.base_url}/audio/transcriptions",
        data={
            "model": "gpt-4o-transcribe-diarize",
            "response_format": "diarized_json",
            "channel_id": ["0", "1"],
            "stream": str(stream).lower(),
        },
        files={"file": ("call.wav", call)},
        timeout=30,
    )
    events = [
        json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: {")
    ]
    segments = [each for each in events if each["type"].endswith(".segment")] if stream else answer.json()["segments"]

    texts = [(part["channel"], part["speaker"], part["text"]) for part in segments]
    assert [(0, "A", " ".join(LEFT)), (1, "B", " ".join(RIGHT))] == texts


@pytest.mark.parametrize("model", ["whisper-1", "fun-asr", "paraformer-v2"])
@pytest.mark.parametrize("form", ["json", "verbose_json"])
def test_all_channels_are_transcribed_by_default(tones: RunningServer, call: bytes, model: str, form: str) -> None:
    answer = tones.client().audio.transcriptions.create(
        model=model,
        file=("call.wav", call),
        response_format=form,  # type: ignore[call-overload]  # a parameter of the test
    )

    assert " ".join(LEFT + RIGHT) == answer.text.replace("\n", " ")


def test_channel_id_selects_a_road_that_supports_it(tones: RunningServer, call: bytes) -> None:
    raw = tones.client().audio.transcriptions.with_raw_response.create(
        model="whisper-1", file=BytesIO(call), extra_body={"channel_id": "1"}
    )

    assert ("filetrans", " ".join(RIGHT)) == (raw.headers["x-compat-road"], raw.parse().text)


def test_newer_models_return_the_confidence_of_words(server: RunningServer, speech: bytes) -> None:
    answer = server.client().audio.transcriptions.create(
        model="qwen-audio-3.0-asr-flash-filetrans",
        file=("a.wav", speech),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        extra_body={"diarization_enabled": "true", "vocabulary": '{"Qwen": 5}'},
    )

    assert isinstance(answer, TranscriptionVerbose)
    assert [0.95, 0.95] == [word.to_dict()["confidence"] for word in answer.words or ()]
    assert ["A", "B"] == [segment.to_dict()["speaker"] for segment in answer.segments or ()]
    assert {"Qwen": 5} == _submitted(server).parameters["vocabulary"]


def _submitted(server: RunningServer) -> Any:  # noqa: ANN401 - the emulator's record
    return next(seen for seen in reversed(server.dashscope.requests) if seen.surface == "submit")
