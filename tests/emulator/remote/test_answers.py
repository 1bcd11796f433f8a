"""Responses of other servers, as documented and as found in their sources, become sentences with times."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from compat.emulator.engine import Sentence
from compat.emulator.remote import answers
from compat.emulator.remote.answers import RemoteAnswer
from compat.emulator.remote.cutting import Piece

PIECE = Piece(10_000, bytes(4_000 * 32), ((10_500, 12_500), (13_000, 14_000)))


def read(body: dict[str, Any]) -> RemoteAnswer:
    answer = answers.of_json(body)
    assert answer is not None
    return answer


def sentences_of(body: dict[str, Any] | str) -> list[Sentence]:
    answer = answers.of_text(body) if isinstance(body, str) else read(body)
    return list(answers.sentences(answer, PIECE))


def words(sentences: list[Sentence]) -> list[tuple[str, int, int]]:
    return [(w.text + w.punctuation, w.begin_ms, w.end_ms) for sentence in sentences for w in sentence.words]


OPENAI = {
    "task": "transcribe",
    "language": "english",
    "duration": 4.0,
    "text": "Hello, world. Bye!",
    "segments": [
        {"id": 0, "start": 0.5, "end": 2.0, "text": " Hello, world.", "tokens": [1], "avg_logprob": -0.2},
        {"id": 1, "start": 3.0, "end": 3.9, "text": " Bye!", "tokens": [2], "avg_logprob": -0.2},
    ],
    "words": [
        {"word": "Hello", "start": 0.6, "end": 1.0},
        {"word": "world", "start": 1.2, "end": 1.9},
        {"word": "Bye", "start": 3.1, "end": 3.8},
    ],
}
WHISPER_CPP = {  # words within segments, times as whisper.cpp's server has them
    "task": "transcribe",
    "language": "english",
    "duration": 4.0,
    "text": " Hello, world. Bye!\n",
    "segments": [
        {
            "id": 0,
            "text": " Hello, world. Bye!",
            "start": 0.5,
            "end": 3.9,
            "words": [
                {"word": " Hello", "start": 0.6, "end": 1.0, "t_dtw": -1, "probability": 0.9},
                {"word": ",", "start": 1.0, "end": 1.0, "t_dtw": -1, "probability": 0.9},
                {"word": " world", "start": 1.2, "end": 1.9, "t_dtw": -1, "probability": 0.9},
                {"word": ".", "start": 1.9, "end": 1.9, "t_dtw": -1, "probability": 0.9},
                {"word": " Bye", "start": 3.1, "end": 3.8, "t_dtw": -1, "probability": 0.9},
                {"word": "!", "start": 3.8, "end": 3.9, "t_dtw": -1, "probability": 0.9},
            ],
        }
    ],
}
SPACED = {  # faster-whisper's own words
    **OPENAI,
    "words": [
        {"word": " Hello,", "start": 0.6, "end": 1.0, "probability": 0.9},
        {"word": " world.", "start": 1.2, "end": 1.9, "probability": 0.9},
        {"word": " Bye!", "start": 3.1, "end": 3.8, "probability": 0.9},
    ],
}


@pytest.mark.parametrize("body", [OPENAI, SPACED, {**OPENAI, "segments": []}], ids=["openai", "speaches", "words"])
def test_words_have_the_times_of_the_server_and_the_punctuation_of_the_text(body: dict[str, Any]) -> None:
    sentences = sentences_of(body)

    assert [("Hello,", 10_600, 11_000), ("world.", 11_200, 11_900), ("Bye!", 13_100, 13_800)] == words(sentences)
    assert ["Hello, world.", "Bye!"] == [sentence.text for sentence in sentences]
    assert {("en", None)} == {(sentence.language, sentence.emotion) for sentence in sentences}


def test_times_may_be_nanoseconds() -> None:
    segments = [{"id": 0, "start": 500_000_000, "end": 2_000_000_000, "text": "Hello, world."}]

    [sentence] = sentences_of({"text": "Hello, world.", "segments": segments})

    assert (10_500, 12_000) == (sentence.begin_ms, sentence.end_ms)


def test_words_within_segments_are_found() -> None:
    assert ["Hello,", "world.", "Bye!"] == [word for word, _, _ in words(sentences_of(WHISPER_CPP))]
    begins = [begin for _, begin, _ in words(sentences_of(WHISPER_CPP))]
    assert begins == pytest.approx([10_600, 11_200, 13_100], abs=150)


def test_segments_without_words_bound_their_words() -> None:
    sentences = sentences_of({**OPENAI, "words": None})

    assert [("Hello,", "world."), ("Bye!",)] == [
        tuple(word.text + word.punctuation for word in sentence.words) for sentence in sentences
    ]
    assert [(10_500, 12_000), (13_000, 13_900)] == [(sentence.begin_ms, sentence.end_ms) for sentence in sentences]


@pytest.mark.parametrize(
    "body",
    [
        {"text": "Hello, world. Bye!", "usage": {"type": "duration", "seconds": 4}},
        {"text": "Hello, world. Bye!", "language": "auto", "duration": "4.0", "segments": []},
        "Hello, world. Bye!\n",
    ],
    ids=["vllm", "sglang", "text"],
)
def test_a_text_without_times_is_spread_over_the_speech(body: dict[str, Any] | str) -> None:
    sentences = sentences_of(body)

    assert ["Hello, world.", "Bye!"] == [sentence.text for sentence in sentences]
    spread = words(sentences)
    assert (10_500, 14_000) == (spread[0][1], spread[-1][2])
    assert all(end <= begin for (_, _, end), (_, begin, _) in itertools.pairwise(spread))
    assert not [word for word, begin, end in spread if 12_500 < begin < 13_000 or 12_500 < end < 13_000]
    assert {None} == {sentence.language for sentence in sentences}


@pytest.mark.parametrize(
    ("text", "cleaned", "language", "emotion"),
    [
        ("language Chinese<asr_text>你好，世界。", "你好，世界。", "zh", None),
        ("language English<asr_text>Hello. language English<asr_text>Bye.", "Hello. Bye.", "en", None),
        ("language None<asr_text>", "", None, None),
        ("<|zh|><|HAPPY|><|Speech|><|withitn|>你好。", "你好。", "zh", "happy"),
        ("你好。", "你好。", "zh", None),
        ("こんにちは、世界。", "こんにちは、世界。", "ja", None),
        ("안녕하세요.", "안녕하세요.", "ko", None),
        ("My language is English.", "My language is English.", None, None),
    ],
)
def test_marks_of_models_are_read_and_removed(
    text: str, cleaned: str, language: str | None, emotion: str | None
) -> None:
    answer = read({"text": text})

    assert (cleaned, language, emotion) == (answer.text, answer.language, answer.emotion)


def test_the_language_of_the_server_wins_over_the_script() -> None:
    assert "yue" == read({"text": "你好。", "language": "Cantonese"}).language


def test_chinese_has_a_word_for_each_character() -> None:
    assert ["你", "好，", "世", "界。"] == [word for word, _, _ in words(sentences_of({"text": "你好，世界。"}))]


@pytest.mark.parametrize(
    ("label", "number"), [("A", 0), ("B", 1), ("SPEAKER_01", 1), (2, 2), ("Ada", None), ("", None)]
)
def test_labels_of_speakers_are_numbers(label: object, number: int | None) -> None:
    body = {"text": "Hi.", "segments": [{"start": 0, "end": 1, "text": "Hi.", "speaker": label}]}

    assert [number] == [sentence.speaker for sentence in sentences_of(body)]


@pytest.mark.parametrize(
    "body",
    [
        {"text": "Hi.", "segments": "none", "words": {"a": 1}},
        {"text": "Hi.", "segments": [None, 3, {"start": "soon", "end": None, "text": "Hi."}]},
        {"text": "Hi.", "segments": [{"start": 3.0, "end": 1.0, "text": "Hi."}]},
        {"text": "Hi.", "words": [{"word": "Hi", "start": float("nan"), "end": 1.0}]},
        {"text": "Hi.", "words": [{"word": "Hi", "start": 1e300, "end": 2e300}]},
        {"text": "Hi.", "segments": [{"start": 99.0, "end": 99.5, "text": "Hi."}]},
    ],
)
def test_damaged_times_are_not_used(body: dict[str, Any]) -> None:
    [sentence] = sentences_of(body)

    assert "Hi." == sentence.text
    assert 10_000 <= sentence.begin_ms <= sentence.end_ms <= 14_000


@pytest.mark.parametrize("body", [{}, {"text": None}, {"error": "no"}, {"choices": []}])
def test_no_transcript(body: dict[str, Any]) -> None:
    assert answers.of_json(body) is None


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no  such\nmodel", "type": "x"}},
        {"error": "no such model"},
        {"message": "no such model", "object": "error"},
        {"detail": "no such model"},
        {"detail": [{"loc": ["body", "model"], "msg": "no such model", "type": "value_error"}]},
    ],
)
def test_the_message_of_an_error_is_found(body: object) -> None:
    assert "no such model" == answers.problem(body)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (" Hello, world\n this is\n a test.\n", "Hello, world this is a test."),
        ("你好，\n世界。\n\n再见。", "你好，世界。再见。"),
    ],
)
def test_a_text_with_a_line_for_each_segment_is_joined(text: str, line: str) -> None:
    """As whisper.cpp's server writes it."""
    assert read({"text": text}).text == answers.of_text(text).text == line
