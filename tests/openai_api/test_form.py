"""Validation of transcription and translation forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from compat.errors import BadRequest
from compat.openai_api.form import ask, translation
from compat.transcript import Ask, Layout

MODEL = ("model", "whisper-1")
SEGMENTS = frozenset({"segment"})
DATA = "data:audio/wav;base64,AAAA"
VERBOSE = ("response_format", "verbose_json")

FORMS: list[tuple[list[tuple[str, str]], dict[str, Any]]] = [
    ([], {}),
    ([("response_format", "json")], {}),
    ([("response_format", "")], {}),
    ([("response_format", "text")], {"response_format": "text"}),
    ([("response_format", "srt")], {"response_format": "srt"}),
    ([("response_format", "vtt")], {"response_format": "vtt"}),
    ([("response_format", "diarized_json")], {"response_format": "diarized_json"}),
    ([VERBOSE], {"response_format": "verbose_json", "granularities": SEGMENTS}),
    ([VERBOSE, ("timestamp_granularities[]", "")], {"response_format": "verbose_json", "granularities": SEGMENTS}),
    (
        [VERBOSE, ("timestamp_granularities[]", "word")],
        {"response_format": "verbose_json", "granularities": frozenset({"word"})},
    ),
    (
        [("timestamp_granularities[]", "word"), VERBOSE, ("timestamp_granularities[]", "segment")],
        {"response_format": "verbose_json", "granularities": frozenset({"word", "segment"})},
    ),
    (
        [VERBOSE, ("timestamp_granularities", "word"), ("timestamp_granularities", "segment")],
        {"response_format": "verbose_json", "granularities": frozenset({"word", "segment"})},
    ),
    (
        [VERBOSE, ("timestamp_granularities[0]", "word"), ("timestamp_granularities[1]", "segment")],
        {"response_format": "verbose_json", "granularities": frozenset({"word", "segment"})},
    ),
    (
        [VERBOSE, ("captions", "srt"), ("captions[]", "vtt")],
        {"response_format": "verbose_json", "granularities": SEGMENTS, "captions": ("srt", "vtt")},
    ),
    (
        [("response_format", "diarized_json"), ("captions", "vtt,vtt")],
        {"response_format": "diarized_json", "captions": ("vtt",)},
    ),
    ([("captions", "srt")], {"ignored": ("captions",)}),
    (
        [("response_format", "diarized_json"), ("stream", "true"), ("captions", "srt")],
        {"response_format": "diarized_json", "stream": True, "ignored": ("captions",)},
    ),
    (
        [
            ("response_format", "srt"),
            ("max_line_width", "32"),
            ("max_line_count", " 1 "),
            ("max_words_per_line", '"5"'),
        ],
        {"response_format": "srt", "layout": Layout(32, 1, 5)},
    ),
    (
        [VERBOSE, ("captions", "srt"), ("max_line_width", "20"), ("max_line_count", "None")],
        {"response_format": "verbose_json", "granularities": SEGMENTS, "captions": ("srt",), "layout": Layout(20)},
    ),
    (
        [("max_line_width", "20"), ("max_words_per_line", "3")],
        {"ignored": ("max_line_width", "max_words_per_line")},
    ),
    ([("stream", "true")], {"stream": True}),
    ([("stream", "True")], {"stream": True}),
    ([("stream", "1")], {"stream": True}),
    ([("stream", "false")], {}),
    ([("stream", "FALSE")], {}),
    ([("stream", "0")], {}),
    ([("stream", "null")], {}),
    ([("stream", "")], {}),
    ([("language", "zh-CN")], {"language": "zh"}),
    ([("language", "")], {}),
    ([("language", "auto")], {}),
    ([("language", "Swahili")], {"language": "sw"}),
    ([("languages[]", "en")], {"language": "en", "language_param": "languages"}),
    ([("languages", "English"), ("languages", "en-GB")], {"language": "en", "language_param": "languages"}),
    ([("languages[]", "sw")], {"language": "sw", "language_param": "languages"}),
    ([("languages[]", "en"), ("languages[]", "fr")], {"ignored": ("languages",)}),
    ([("language", "en"), ("languages[]", "en")], {"language": "en"}),
    ([("language", "en"), ("languages[]", "fr"), ("languages[]", "en")], {"language": "en", "ignored": ("languages",)}),
    ([("languages[]", "auto")], {}),
    ([("language", "zu")], {"language": "zu"}),
    ([("language", "auto"), ("languages[]", "fr")], {"language": "fr", "language_param": "languages"}),
    ([("prompt", "")], {}),
    ([("prompt", "Names: Ann.\nBob.")], {"prompt": "Names: Ann.\nBob."}),
    (
        [("keywords[]", "Bulge Bracket"), ("keywords[]", " Qwen ")],
        {"keywords": ("Bulge Bracket", "Qwen")},
    ),
    (
        [("keywords", "a, b"), ("prompt", "About banks."), ("keywords", "c")],
        {"prompt": "About banks.", "keywords": ("a, b", "c")},
    ),
    ([("prompt", "word " * 9000)], {"prompt": ("word " * 9000).strip()}),
    ([("temperature", "")], {}),
    ([("temperature", "0")], {}),
    ([("temperature", "0.0")], {}),
    ([("temperature", "0.2")], {"ignored": ("temperature",)}),
    ([("temperature", "1")], {"ignored": ("temperature",)}),
    ([("include[]", "logprobs")], {"ignored": ("include",)}),
    ([("include", "logprobs"), ("include", "logprobs")], {"ignored": ("include",)}),
    ([("include[]", "")], {}),
    ([("chunking_strategy", "auto")], {"ignored": ("chunking_strategy",)}),
    ([("chunking_strategy", '{"type":"server_vad","threshold":0.4}')], {"ignored": ("chunking_strategy",)}),
    (
        [
            ("chunking_strategy[type]", "server_vad"),
            ("chunking_strategy[threshold]", "0.5"),
            ("chunking_strategy[prefix_padding_ms]", "300"),
            ("chunking_strategy[silence_duration_ms]", "200"),
        ],
        {"ignored": ("chunking_strategy",)},
    ),
    ([("chunking_strategy", "")], {}),
    ([("chunking_strategy", "null")], {}),
    (
        [("known_speaker_names[]", "agent"), ("known_speaker_references[]", DATA)],
        {"ignored": ("known_speaker_names", "known_speaker_references")},
    ),
    (
        [("temperature", "1"), ("language", "sw"), ("include[]", "logprobs")],
        {"language": "sw", "ignored": ("temperature", "include")},
    ),
    (
        [("enable_itn", "true"), ("stream_options", "{}"), ("channel_id[]", "0"), ("channel_id[]", "1")],
        {"extensions": {"enable_itn": ("true",), "stream_options": ("{}",), "channel_id": ("0", "1")}},
    ),
    (
        [("\x00\r\n", "a\x00"), ("n" * 5000, "1"), ("", "x")],
        {"extensions": {"\x00\r\n": ("a\x00",), "n" * 5000: ("1",), "": ("x",)}},
    ),
]


@pytest.mark.parametrize(("fields", "expected"), FORMS)
@pytest.mark.parametrize("model_comes_last", [False, True])
def test_a_form_becomes_an_ask(fields: list[tuple[str, str]], expected: dict[str, Any], model_comes_last: bool) -> None:
    form = [*fields, MODEL] if model_comes_last else [MODEL, *fields]

    assert ask(form) == Ask(model="whisper-1", **expected)


REFUSED: list[tuple[list[tuple[str, str]], str, str]] = [
    ([("response_format", "xml")], "response_format", "json, text, srt"),
    ([("response_format", "json"), ("response_format", "text")], "response_format", "more than once"),
    ([("model", "whisper-2")], "model", "more than once"),
    ([VERBOSE, ("timestamp_granularities[]", "letter")], "timestamp_granularities", "word, segment"),
    ([("max_line_width", "0")], "max_line_width", "'0' is not a whole number from 1 to 1,000"),
    ([("max_line_width", "42.5")], "max_line_width", "whole number"),
    ([("max_line_width", "٤٢")], "max_line_width", "whole number"),
    ([("max_line_width", "9" * 5000)], "max_line_width", "whole number"),
    ([("max_line_width", "40"), ("max_line_width", "42")], "max_line_width", "more than once"),
    ([("max_line_count", "11")], "max_line_count", "from 1 to 10"),
    ([("max_words_per_line", "few")], "max_words_per_line", "'few'"),
    ([("stream", "perhaps")], "stream", "perhaps"),
    ([("stream", "true"), ("stream", "false")], "stream", "more than once"),
    ([("language", "klingon")], "language", "not a language"),
    ([("language", "en,fr")], "language", "not a language"),
    ([("language", "en"), ("language", "fr")], "language", "more than once"),
    ([("languages[]", "en"), ("languages[]", "klingon")], "languages", "not a language"),
    ([("language", "en"), ("languages[]", "fr")], "languages", "not among"),
    ([("prompt", "a"), ("prompt", "b")], "prompt", "more than once"),
    ([("prompt", "字" * 10_001)], "prompt", "10,001 tokens; the service takes 10,000"),
    ([("prompt", "a"), ("keywords[]", "7" * 10_000)], "prompt", "tokens"),
    ([("keywords[]", "7" * 10_001)], "keywords", "tokens"),
    ([("temperature", "hot")], "temperature", "'hot' is not a number from 0 to 1"),
    ([("temperature", "nan")], "temperature", "not a number"),
    ([("temperature", "-0.1")], "temperature", "from 0 to 1"),
    ([("temperature", "1.1")], "temperature", "from 0 to 1"),
    ([("temperature", "0_0")], "temperature", "not a number"),
    ([("include[]", "logprobs"), ("include[]", "words")], "include", "words"),
    ([("chunking_strategy", "manual")], "chunking_strategy", "not one of auto, server_vad"),
    ([("chunking_strategy", "{}")], "chunking_strategy", "chunking_strategy[type] is missing"),
    ([("chunking_strategy", "{")], "chunking_strategy", "cannot be read"),
    ([("chunking_strategy", '{"type":"semantic_vad"}')], "chunking_strategy", "semantic_vad"),
    ([("chunking_strategy[threshold]", "0.5")], "chunking_strategy", "[type] is missing: send auto or server_vad"),
    ([("chunking_strategy", "[1]")], "chunking_strategy", "not one of auto, server_vad"),
    (
        [("chunking_strategy", '{"type":"server_vad","threshold":true}')],
        "chunking_strategy",
        "[threshold] 'True' is not a number from 0 to 1",
    ),
    (
        [("chunking_strategy", '{"type":"server_vad","prefix_padding_ms":-1}')],
        "chunking_strategy",
        "[prefix_padding_ms] '-1' is not a whole number",
    ),
    (
        [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "2")],
        "chunking_strategy",
        "[threshold] '2' is not a number from 0 to 1",
    ),
    (
        [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[silence_duration_ms]", "long")],
        "chunking_strategy",
        "[silence_duration_ms] 'long' is not a whole number",
    ),
    (
        [("chunking_strategy[threshold]", "0.1"), ("chunking_strategy[threshold]", "0.2")],
        "chunking_strategy",
        "more than once",
    ),
    ([("chunking_strategy[type]", "server_vad"), ("chunking_strategy", "auto")], "chunking_strategy", "more than once"),
    ([("known_speaker_names[]", str(n)) for n in range(5)], "known_speaker_names", "4 are allowed"),
    ([("known_speaker_references[]", DATA)] * 5, "known_speaker_references", "4 are allowed"),
    ([("known_speaker_names[]", "agent")], "known_speaker_references", "1 known_speaker_names and 0"),
    (
        [("known_speaker_names[]", "agent"), ("known_speaker_references[]", "agent.wav")],
        "known_speaker_references",
        "data URLs",
    ),
]


@pytest.mark.parametrize(("fields", "param", "reason"), REFUSED)
def test_an_invalid_form_is_refused_naming_the_parameter(
    fields: list[tuple[str, str]], param: str, reason: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        ask([MODEL, *fields])

    assert param == caught.value.param
    assert reason in caught.value.message
    assert len(caught.value.message) < 500


@pytest.mark.parametrize("fields", [[], [("model", "")], [("model", "  ")], [("language", "en")]])
def test_a_form_without_a_model_is_refused(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(BadRequest, match="model is missing") as caught:
        ask(fields)

    assert ("model", "missing_required_parameter") == (caught.value.param, caught.value.code)


@pytest.mark.parametrize("parse", [ask, translation])
def test_query_parameters_are_reported_as_ignored(parse: Callable[..., Ask]) -> None:
    query = [("language", "en"), ("api-version", "2025-03-01-preview"), ("model", "whisper-1"), ("temperature", "0")]

    asked = parse([MODEL, ("language", "de")], query)

    assert ("de", ("language", "temperature")) == (asked.language, asked.ignored)


@pytest.mark.parametrize("parse", [ask, translation])
def test_a_model_in_the_query_is_refused_naming_the_form_field(parse: Callable[..., Ask]) -> None:
    with pytest.raises(BadRequest, match=r"field of the form, not in the query") as refused:
        parse([("language", "en")], [MODEL])

    assert ("model", "missing_required_parameter") == (refused.value.param, refused.value.code)


def test_the_file_field_is_skipped() -> None:
    assert ask([MODEL, ("file", "https://example.com/a.wav")]) == Ask(model="whisper-1")


TRANSLATIONS: list[tuple[list[tuple[str, str]], dict[str, Any]]] = [
    ([], {}),
    ([("prompt", "Dickens"), ("temperature", "0")], {"prompt": "Dickens"}),
    ([("response_format", "vtt"), ("language", "German")], {"response_format": "vtt", "language": "de"}),
    ([("target_language", "French")], {"target": "fr"}),
    ([("response_format", "srt"), ("max_line_width", "32")], {"response_format": "srt", "layout": Layout(32)}),
    ([("max_line_count", "1")], {"ignored": ("max_line_count",)}),
    ([("url", "https://a.fm/会 1.mp3")], {"url": "https://a.fm/%E4%BC%9A%201.mp3"}),
    ([("target_language", "zh-TW")], {"target": "zh-tw"}),
    ([("target_language", "")], {}),
    ([("temperature", "0.5"), ("stream", "true"), ("include[]", "")], {"ignored": ("temperature", "stream")}),
    ([("enable_itn", "true")], {"extensions": {"enable_itn": ("true",)}}),
]


@pytest.mark.parametrize(("fields", "expected"), TRANSLATIONS)
def test_a_translation_form_becomes_an_ask(fields: list[tuple[str, str]], expected: dict[str, Any]) -> None:
    assert Ask(**{"model": "whisper-1", "target": "en", **expected}) == translation([MODEL, *fields])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ([], "model"),
        ([MODEL, ("response_format", "diarized_json")], "response_format"),
        ([MODEL, ("target_language", "Klingon")], "target_language"),
        ([MODEL, ("temperature", "2")], "temperature"),
        ([MODEL, ("max_line_width", "-1")], "max_line_width"),
    ],
)
def test_an_invalid_translation_form_is_refused_naming_the_parameter(fields: list[tuple[str, str]], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        translation(fields)

    assert param == refused.value.param


def test_an_unknown_caption_format_is_refused() -> None:
    with pytest.raises(BadRequest, match="captions 'ass' is not one of srt, vtt") as refused:
        ask([MODEL, VERBOSE, ("captions", "ass")])

    assert "captions" == refused.value.param


def test_only_forms_without_text_about_the_audio_are_remembered() -> None:
    usual = [("model", "whisper-1"), ("language", "en")]
    assert ask(usual) is ask(list(usual))
    for private in ("prompt", "keywords[]", "url"):
        value = "https://example.com/a.mp3" if private == "url" else "Dickens"
        assert ask([*usual, (private, value)]) is not ask([*usual, (private, value)])
