from __future__ import annotations

from typing import Any

import msgspec
import pytest

from compat.dashscope_api.results import Result, prevailing, sentences
from compat.text import joined
from compat.transcript import Segment, Word


def sentence(text: str | None, *words: tuple[str, str], **more: object) -> dict[str, Any]:
    spoken = [
        {"text": word, "punctuation": mark, "begin_time": 100 * at, "end_time": 100 * at + 90}
        for at, (word, mark) in enumerate(words)
    ]
    return {"begin_time": 0, "end_time": 1440, "text": text, "words": spoken, **more}


def result(*sentences: dict[str, Any], **more: object) -> Result:
    return msgspec.convert({"transcripts": [{"channel_id": 0, "sentences": sentences, **more}]}, Result)


Row = tuple[str | None, list[tuple[str, str]], list[str]]
FOUND: dict[str, Row] = {  # text, its words with their punctuation → the words of the segment
    "qwen3, Chinese": ("欢迎使用云。", [("欢迎", ""), ("使用", ""), ("云", "。")], ["欢迎", "使用", "云。"]),
    "qwen3, English": ("Hello, my world.", [("Hello", ","), ("my", ""), ("world", ".")], ["Hello, ", "my ", "world."]),
    "fun-asr": ("Hello my world.", [("Hello ", ""), ("my ", ""), ("world", ".")], ["Hello ", "my ", "world."]),
    "a space after punctuation": ("Hi, all ", [("Hi ", ","), ("all ", "")], ["Hi, ", "all "]),
    "mixed": ("用GPT 写代码", [("用", ""), ("GPT", ""), ("写", ""), ("代码", "")], ["用", "GPT ", "写", "代码"]),
    "punctuation in front": ("¿Qué? «No»", [("Qué", "?"), ("No", "")], ["¿Qué? «", "No»"]),
    "apostrophes": ("It's don't", [("It's", ""), ("don't", "")], ["It's ", "don't"]),
    "repeats": ("no no no", [("no", ""), ("no", ""), ("no", "")], ["no ", "no ", "no"]),
    "Korean": ("안녕 세계", [("안녕", ""), ("세계", "")], ["안녕 ", "세계"]),
    "no text": (None, [("Oh", ","), ("world", "."), ("你", ""), ("好", "。")], ["Oh, ", "world.", "你", "好。"]),
    "a pause": ("a b", [("a", ""), (" ", ""), ("b", "")], ["a ", "b"]),
}
UNFOUND: dict[str, Row] = {
    "numbers rewritten": ("It costs $5", [("it", ""), ("costs", ""), ("five", ".")], ["it ", "costs ", "five."]),
    "a missing word": ("one two three", [("one", ""), ("two", "")], ["one ", "two"]),
    "a word skipped": ("one two three", [("one", ""), ("three", "")], ["one ", "three"]),
    "no words": ("Hello", [], []),
}
WORDS = FOUND | UNFOUND


@pytest.mark.parametrize(("text", "words", "spelled"), WORDS.values(), ids=WORDS)
def test_words_are_spelled_as_in_the_text(text: str | None, words: list[tuple[str, str]], spelled: list[str]) -> None:
    segment = result(sentence(text, *words)).segments()[0]

    assert spelled == [word.text for word in segment.words]


@pytest.mark.parametrize("name", FOUND)
def test_words_join_to_the_sentence(name: str) -> None:
    text, words, _ = FOUND[name]
    segment = result(sentence(text, *words)).segments()[0]

    assert segment.text == "".join(word.text for word in segment.words)


def test_a_sentence_with_all_members() -> None:
    full = sentence("Hi.", ("Hi", "."), language="en", emotion="happy", speaker_id=0, sentence_id=7, confidence=0.9)

    assert result(full).segments() == (
        Segment(
            text="Hi.",
            start=0.0,
            end=1.44,
            words=(Word("Hi.", 0.0, 0.09),),
            language="en",
            emotion="happy",
            speaker="0",
        ),
    )


def test_a_minimal_sentence() -> None:
    minimal: dict[str, Any] = {"text": "Hi", "begin_time": 500, "end_time": None}

    assert result(minimal).segments() == (Segment(text="Hi", start=0.5, end=0.5),)


def test_segments_name_their_channel_and_are_in_order_of_time() -> None:
    left = {"channel_id": 0, "text": "One. Three.", "sentences": [_at(0, "One."), _at(2000, "Three.")]}
    right = {"channel_id": 1, "text": " Two.", "sentences": [_at(1000, "Two.")]}
    both = msgspec.convert({"transcripts": [left, right]}, Result)

    assert [("One.", 0), ("Two.", 1), ("Three.", 0)] == [(segment.text, segment.channel) for segment in both.segments()]
    assert both.text() == "One. Three.\nTwo."


def _at(time: int, text: str) -> dict[str, Any]:
    return {"begin_time": time, "end_time": time + 900, "text": text}


@pytest.mark.parametrize(
    ("sentences", "more", "text"),
    [
        ([_at(0, "One."), _at(1, "Two.")], {}, "One. Two."),
        ([_at(0, "一。"), _at(1, "二。")], {}, "一。二。"),
        ([_at(0, "One. "), _at(1, "Two.")], {}, "One. Two."),
        ([_at(0, "One.")], {"text": "As sent."}, "As sent."),
        ([], {}, ""),
    ],
)
def test_the_text_is_taken_from_the_channel_or_joined_from_sentences(
    sentences: list[dict[str, Any]], more: dict[str, Any], text: str
) -> None:
    assert text == result(*sentences, **more).text()


@pytest.mark.parametrize("file", [{"transcripts": None}, {"transcripts": []}, {"transcripts": [{"text": ""}]}])
def test_an_empty_file_is_silence(file: dict[str, Any]) -> None:
    silence = msgspec.convert(file, Result)

    assert (silence.text(), silence.segments()) == ("", ())


def fragment(text: str, start: float, end: float, speaker: str | None = None, *, words: bool = True) -> Segment:
    spoken = (Word(text, start, end),) if words else ()
    return Segment(text=text, start=start, end=end, words=spoken, speaker=speaker)


FRAGMENTS: list[tuple[list[Segment], list[tuple[str, float, float]]]] = [
    (
        [
            fragment("Yes,", 0, 0.2),
            fragment("I think so,", 0.2, 0.9),
            fragment("and left.", 1.2, 3),
            fragment("Ok.", 3, 4),
        ],
        [("Yes, I think so, and left.", 0, 3), ("Ok.", 3, 4)],
    ),
    ([fragment("好，", 0, 1), fragment("走吧。", 1, 2)], [("好，走吧。", 0, 2)]),
    ([fragment("Yes,", 0, 0.2), fragment("I think", 0.7, 1)], [("Yes,", 0, 0.2), ("I think", 0.7, 1)]),
    ([fragment("Yes,", 0, 1, "0"), fragment("no.", 1, 2, "1")], [("Yes,", 0, 1), ("no.", 1, 2)]),
    ([fragment("Yes,", 0, 1), fragment("no.", 1, 2, words=False)], [("Yes,", 0, 1), ("no.", 1, 2)]),
    ([fragment("a,", 0, 10), fragment("b,", 10, 14), fragment("c.", 14, 16)], [("a, b,", 0, 14), ("c.", 14, 16)]),
    ([], []),
]


@pytest.mark.parametrize(("fragments", "expected"), FRAGMENTS)
def test_fragments_of_a_sentence_are_joined(fragments: list[Segment], expected: list[tuple[str, float, float]]) -> None:
    joined_segments = list(sentences(fragments))

    assert expected == [(segment.text, segment.start, segment.end) for segment in joined_segments]
    assert [word for each in fragments for word in each.words] == [
        word for each in joined_segments for word in each.words
    ]


def test_a_sentence_has_the_language_and_emotion_of_its_longer_part() -> None:
    parts = [
        msgspec.structs.replace(fragment("Yes,", 0, 0.5), language="en", emotion="happy"),
        msgspec.structs.replace(fragment("I think so.", 0.5, 2), language="en", emotion="sad"),
        fragment("Ok.", 2, 3),
    ]

    assert [("en", "sad"), (None, None)] == [(each.language, each.emotion) for each in sentences(parts)]


def test_joined_adds_spaces_between_latin_words_only() -> None:
    assert joined(["Hello", "", "world.", "你好", "again"]) == "Hello world.你好again"


def test_the_language_with_the_longest_duration_prevails() -> None:
    segments = [
        Segment(text="a", start=0, end=1, language="en"),
        Segment(text="b", start=1, end=4, language="zh"),
        Segment(text="c", start=4, end=5, language="en"),
        Segment(text="d", start=5, end=99),
    ]

    assert prevailing(segments, "language") == "zh"
    assert prevailing(segments, "emotion") is None
