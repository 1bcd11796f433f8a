"""Response bodies in every format, checked with the official package's types and byte by byte."""

from __future__ import annotations

import json
from typing import Any

import pydantic
import pytest
from openai.types.audio import Transcription, TranscriptionVerbose

from compat.openai_api.render import render
from compat.transcript import Ask, CaptionFormat, Granularity, Layout, ResponseFormat, Segment, Transcript, Usage, Word

JSON = "application/json"
PLAIN = "text/plain; charset=utf-8"

SPOKEN = Transcript(
    text="Hello world. 你好。",
    segments=(
        Segment(
            text="Hello world.",
            start=0.5,
            end=1.5,
            words=(Word("Hello ", 0.5, 0.9), Word("world. ", 1.0, 1.5)),
            language="en",
            emotion="happy",
        ),
        Segment(text="你好。", start=1.4, end=2.0, words=(Word("你好。", 1.4, 2.0),), language="zh"),
    ),
    language="en",
    emotion="neutral",
    duration=2.25,
    usage=Usage(seconds=3.0),
    model="qwen3-asr-flash-filetrans",
    surface="filetrans",
    request_id="r-1",
    task_id="t-1",
)
SILENCE = Transcript(text="", duration=3.0, model="qwen3-asr-flash", surface="chat")
ONE_WORD = Transcript(text="Yes.", segments=(Segment(text="Yes.", start=0.0, end=0.0),), duration=0.4)

DASHSCOPE = {
    "model": "qwen3-asr-flash-filetrans",
    "surface": "filetrans",
    "language": "en",
    "emotion": "neutral",
    "request_id": "r-1",
    "task_id": "t-1",
}


def ask(response_format: ResponseFormat, *granularities: Granularity, model: str = "whisper-1") -> Ask:
    return Ask(model=model, response_format=response_format, granularities=frozenset(granularities))


@pytest.mark.parametrize("response_format", ["json", "verbose_json"])
def test_groq_responses_have_the_request_id(response_format: ResponseFormat) -> None:
    plain = render(SPOKEN, ask(response_format)).body
    theirs = json.loads(render(SPOKEN, ask(response_format), "req_1").body)

    assert {"id": "req_1"} == theirs.pop("x_groq")
    assert json.loads(plain) == theirs


def body(transcript: Transcript, request: Ask) -> dict[str, Any]:
    rendered = render(transcript, request)
    assert JSON == rendered.content_type
    decoded = json.loads(rendered.body)
    assert isinstance(decoded, dict)
    return decoded


def strict(kind: type[pydantic.BaseModel], raw: bytes) -> dict[str, Any]:
    """Validate with the official type, without conversions. Unknown members are kept as extras."""
    return kind.model_validate_json(raw, strict=True).model_dump(exclude_unset=True)


def nulls(value: object) -> bool:
    match value:
        case dict():
            return any(map(nulls, value.values()))
        case list():
            return any(map(nulls, value))
        case _:
            return value is None


def test_json_has_text_usage_and_the_extension() -> None:
    assert body(SPOKEN, ask("json")) == {
        "text": "Hello world. 你好。",
        "usage": {"type": "duration", "seconds": 3},
        "dashscope": DASHSCOPE,
    }


def test_json_of_a_model_billed_by_tokens() -> None:
    assert body(SPOKEN, ask("json", model="gpt-4o-transcribe"))["usage"] == {
        "type": "tokens",
        "input_tokens": 75,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 75},
        "output_tokens": 7,
        "total_tokens": 82,
    }


@pytest.mark.parametrize(("language", "languages"), [("en", [{"code": "en"}]), ("fil", [{"code": "tl"}]), (None, [])])
def test_gpt_transcribe_responses_have_the_detected_languages(
    language: str | None, languages: list[dict[str, str]]
) -> None:
    transcript = Transcript(text="a", language=language)

    assert languages == body(transcript, ask("json", model="gpt-transcribe"))["languages"]
    assert "languages" not in body(transcript, ask("json", model="gpt-4o-transcribe"))


def test_silence_has_no_detected_language() -> None:
    assert [] == body(Transcript(text="", language="en"), ask("json", model="gpt-transcribe"))["languages"]


def test_verbose_json_has_segments_and_words() -> None:
    assert body(SPOKEN, ask("verbose_json", "word", "segment")) == {
        "task": "transcribe",
        "language": "english",
        "duration": 2.25,
        "text": "Hello world. 你好。",
        "segments": [
            {
                "id": 0,
                "seek": 50,
                "start": 0.5,
                "end": 1.4,
                "text": " Hello world.",
                "tokens": [],
                "temperature": 0.0,
                "avg_logprob": 0.0,
                "compression_ratio": 0.6,
                "no_speech_prob": 0.0,
                "language": "en",
                "emotion": "happy",
            },
            {
                "id": 1,
                "seek": 140,
                "start": 1.4,
                "end": 2.0,
                "text": " 你好。",
                "tokens": [],
                "temperature": 0.0,
                "avg_logprob": 0.0,
                "compression_ratio": 0.5,
                "no_speech_prob": 0.0,
                "language": "zh",
            },
        ],
        "words": [
            {"word": "Hello", "start": 0.5, "end": 0.9},
            {"word": "world.", "start": 1.0, "end": 1.5},
            {"word": "你好。", "start": 1.4, "end": 2.0},
        ],
        "usage": {"type": "duration", "seconds": 3},
        "dashscope": DASHSCOPE,
    }


@pytest.mark.parametrize(
    ("granularities", "present"),
    [
        ([], {"segments"}),
        (["segment"], {"segments"}),
        (["word"], {"words"}),
        (["word", "segment"], {"words", "segments"}),
    ],
)
def test_verbose_json_has_the_requested_granularities(granularities: list[Granularity], present: set[str]) -> None:
    for transcript in (SPOKEN, SILENCE):
        assert present == body(transcript, ask("verbose_json", *granularities)).keys() & {"words", "segments"}


def test_segments_of_one_channel_do_not_overlap() -> None:
    """Segments of two channels may overlap. A segment that starts together with the next one keeps its end."""
    spans = [(0.0, 2.1, 0), (2.0, 3.0, 0), (2.0, 2.5, 0), (1.0, 2.2, 1)]
    parts = tuple(Segment(text="a", start=start, end=end, channel=channel) for start, end, channel in spans)
    segments = body(Transcript(text="a a a a", segments=parts, duration=3.0), ask("verbose_json"))["segments"]

    assert [(0.0, 2.0, 0), (2.0, 3.0, 0), (2.0, 2.5, 0), (1.0, 2.2, 1)] == [
        (each["start"], each["end"], each["channel"]) for each in segments
    ]


def test_a_text_without_sentences_is_one_segment() -> None:
    segments = body(Transcript(text="All of it.", duration=4.0), ask("verbose_json"))["segments"]

    assert [(0.0, 4.0, " All of it.")] == [(part["start"], part["end"], part["text"]) for part in segments]


ROWS: list[tuple[str, list[str], str | None, list[str]]] = [
    # text, texts of its segments, language → texts of the segments in the response
    ("It was. It is.", ["It was.", "It is."], "en", [" It was.", " It is."]),
    ("It was. It is.", ["It was.", "It is."], None, [" It was.", " It is."]),
    ("It was.  It is.", ["It was.", "It is."], "en", [" It was.", "  It is."]),
    ("It was. It is.", [" It was.", " It is."], "en", [" It was.", " It is."]),
    ("你好。再见。", ["你好。", "再见。"], "zh", ["你好。", "再见。"]),
    ("Qwen 很好。再见。", ["Qwen 很好。", "再见。"], "zh", ["Qwen 很好。", "再见。"]),
    ("你好。 Bye.", ["你好。", "Bye."], "zh", ["你好。", " Bye."]),
    ("こんにちは。", ["こんにちは。"], "ja", ["こんにちは。"]),
    ("안녕하세요. 네.", ["안녕하세요.", "네."], "ko", [" 안녕하세요.", " 네."]),
    ("A one.\nB two.", ["B two.", "A one."], "en", [" B two.", " A one."]),
    ("A one.\nB two.", ["A one.", "B two."], "en", [" A one.", " B two."]),
    ("", [], "en", []),
    ("", [""], "en", [""]),
]


@pytest.mark.parametrize(("text", "segments", "language", "expected"), ROWS)
def test_segments_start_with_the_space_before_them(
    text: str, segments: list[str], language: str | None, expected: list[str]
) -> None:
    parts = tuple(Segment(text=part, start=0.0, end=1.0) for part in segments)
    transcript = Transcript(text=text, segments=parts, language=language)

    answer = body(transcript, ask("verbose_json"))

    assert expected == [part["text"] for part in answer["segments"]]
    assert text == answer["text"]
    assert "\n" in text or answer["text"].strip() == "".join(expected).strip()
    assert all(not line.startswith(" ") for line in render(transcript, ask("srt")).body.decode().splitlines())


LANGUAGES = [
    (Transcript(text="a", language="yue"), "cantonese"),
    (Transcript(text="a", language="fil"), "tagalog"),
    (Transcript(text="a", language="xq"), "xq"),
    (Transcript(text="a", segments=(Segment(text="a", start=0, end=1, language="ja"),)), "japanese"),
    (
        Transcript(
            text="ab",
            segments=(Segment(text="a", start=0, end=1), Segment(text="b", start=1, end=2, language="de")),
        ),
        "german",
    ),
    (Transcript(text="a"), "unknown"),
]


@pytest.mark.parametrize(("transcript", "name"), LANGUAGES)
def test_verbose_json_names_the_language_as_whisper_does(transcript: Transcript, name: str) -> None:
    assert name == body(transcript, ask("verbose_json"))["language"]


TEXTS: list[tuple[Transcript, ResponseFormat, str]] = [
    (SPOKEN, "text", "Hello world. 你好。\n"),
    (
        SPOKEN,
        "srt",
        "1\n00:00:00,500 --> 00:00:02,000\nHello world.你好。\n\n",
    ),
    (
        SPOKEN,
        "vtt",
        "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nHello world.你好。\n\n",
    ),
    (ONE_WORD, "text", "Yes.\n"),
    (ONE_WORD, "srt", "1\n00:00:00,000 --> 00:00:00,400\nYes.\n\n"),
    (SILENCE, "text", "\n"),
    (SILENCE, "srt", ""),
    (SILENCE, "vtt", "WEBVTT\n\n"),
]


@pytest.mark.parametrize(("transcript", "response_format", "expected"), TEXTS)
def test_the_text_formats(transcript: Transcript, response_format: ResponseFormat, expected: str) -> None:
    rendered = render(transcript, ask(response_format))

    assert (expected, PLAIN) == (rendered.body.decode(), rendered.content_type)


@pytest.mark.parametrize("transcript", [SPOKEN, SILENCE, ONE_WORD], ids=["spoken", "silence", "one word"])
@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe", "gpt-transcribe", "fun-asr"])
def test_the_official_package_reads_every_member(transcript: Transcript, model: str) -> None:
    formats: list[tuple[ResponseFormat, type[pydantic.BaseModel]]] = [
        ("json", Transcription),
        ("verbose_json", TranscriptionVerbose),
    ]
    for response_format, kind in formats:
        request = ask(response_format, "word", "segment", model=model)
        rendered = render(transcript, request)

        assert strict(kind, rendered.body) == json.loads(rendered.body)
        assert not nulls(json.loads(rendered.body))


@pytest.mark.parametrize("response_format", ["verbose_json", "diarized_json"])
@pytest.mark.parametrize("transcript", [SPOKEN, SILENCE, ONE_WORD])
def test_captions_beside_json_are_those_of_their_own_formats(
    transcript: Transcript, response_format: ResponseFormat
) -> None:
    asked = Ask(model="whisper-1", response_format=response_format, captions=("srt", "vtt"), layout=Layout(8))

    answer = body(transcript, asked)

    formats: tuple[CaptionFormat, ...] = ("srt", "vtt")
    alone = [Ask(model="whisper-1", response_format=form, layout=Layout(8)) for form in formats]
    assert {one.response_format: render(transcript, one).body.decode() for one in alone} == answer["dashscope"][
        "captions"
    ]
    assert asked.wants_words
