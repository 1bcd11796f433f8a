"""Detection of transcripts that only repeat the context of the request."""

from __future__ import annotations

import unicodedata

import pytest

from compat.echo import Echo, brief, similar, speakable, without
from compat.transcript import Segment, Transcript

LIST = "Bulge Bracket, Qwen, Model Studio"
MEDICAL = "淋巴结, 臀位, 积液, 颈部, 脾脏, 胰腺"
STORY = "The caller asks about her invoice. She is called Zoë Müller.\nKeywords: tranche, LIBOR"

ECHOES = [
    (LIST, LIST),
    (LIST, "bulge bracket qwen model studio."),
    (LIST, "BULGE BRACKET; QWEN; MODEL STUDIO!"),
    (LIST, "Bulge Bracket, Qwen"),
    (LIST, "Bulge Bracket, Qwen, Mod"),
    (LIST, "Qwen, Bulge Bracket."),
    (LIST, "Qwen Qwen Qwen Qwen"),
    (LIST, f"{LIST} {LIST} {LIST[:9]}"),
    (LIST, "Model Studio, Qwen, Model Studio, Bul"),
    (LIST, "Ｑｗｅｎ，Ｂｕｌｇｅ　Ｂｒａｃｋｅｔ"),
    (MEDICAL, "淋巴结 臀位 积液 颈部 脾脏 胰腺 \ufffd"),
    (MEDICAL, "颈部、脾脏。"),
    (MEDICAL, "胰腺 胰腺 淋巴结"),
    (STORY, "She is called Zoë Müller."),
    (STORY, "the caller asks about her invoice"),
    (STORY, "LIBOR, tranche."),
    (STORY, "She is called Zoe\u0308 Mu\u0308ller"),
    ("以下是普通话的句子。", "以下是普通话的句子。以下是普通话的句子。"),
]


@pytest.mark.parametrize(("context", "text"), ECHOES)
def test_text_that_only_repeats_the_context_is_an_echo(context: str, text: str) -> None:
    echo = Echo(context)

    assert echo.only(text)
    composed = unicodedata.normalize("NFC", text)
    assert all(echo.so_far(composed[:end]) for end in range(len(composed) + 1))


OTHERS = [
    (LIST, ""),
    (LIST, "..."),
    (LIST, "Qwen is a model."),
    (LIST, "The Bulge Bracket"),
    (LIST, "Bulge Bracket, Qwen and others"),
    (MEDICAL, "颈部没有积液"),
    (STORY, "She asks about her invoice."),
    ("", "anything"),
    ("", ""),
    (" ,;", "a"),
]


@pytest.mark.parametrize(("context", "text"), OTHERS)
def test_text_with_other_words_is_not_an_echo(context: str, text: str) -> None:
    assert not Echo(context).only(text)


def test_partial_text_stops_being_an_echo_at_the_first_other_word() -> None:
    echo = Echo("The caller asks about her invoice")

    assert all(echo.so_far(text) for text in ("", " ", "The caller asks"))
    assert not echo.so_far("The caller says")
    assert not Echo("").so_far("")


@pytest.mark.parametrize(
    ("text", "is_brief"),
    [("", True), ("Qwen", True), ("Bulge", True), ("Bulge Bracket", False), ("积液", True), ("颈部积液", False)],
)
def test_one_word_or_two_characters_are_brief(text: str, is_brief: bool) -> None:
    assert is_brief == brief(text)


@pytest.mark.parametrize(
    ("text", "seconds", "can_be"),
    [(LIST, 2.0, True), (LIST, 0.4, False), (MEDICAL, 2.0, True), (MEDICAL, 0.5, False), ("", 0.0, True)],
)
def test_text_must_be_speakable_in_its_duration(text: str, seconds: float, can_be: bool) -> None:
    assert can_be == speakable(text, seconds)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Bulge Bracket, Qwen", "Bold bracket quen", True),
        ("Bulge Bracket", "", False),
        ("Bulge Bracket", "Thank you.", False),
        ("", "", True),
        ("a" * 100_000, "a" * 100_000, True),
    ],
)
def test_similar_texts_are_recognised(one: str, other: str, same: bool) -> None:
    assert same == similar(one, other)


def test_long_contexts_and_texts_are_compared_quickly() -> None:
    context = ", ".join(f"word {number}" for number in range(5000))

    assert Echo(context).only(context.replace(",", ""))
    assert not Echo(context).only(f"{context} more")


def test_a_letter_with_many_marks_is_compared_quickly() -> None:
    marked = "a" + "\u0300\u0316" * 100_000  # one normalisation of it takes 20 s

    assert Echo(f"{marked} b").only(f"{marked} b")
    assert not Echo(marked).only(f"{marked} b")


def test_a_suspect_segment_is_compared_with_a_margin_of_audio() -> None:
    def segment(text: str, start: float, end: float, channel: int | None = None) -> Segment:
        return Segment(text=text, start=start, end=end, channel=channel)

    rows = [
        (segment("Qwen", 0.25, 1.0), (0.0, 1.5)),
        (segment("Hello.", 2.0, 3.0), None),
        (segment("Qwen, Model Studio", 3.25, 5.0), (3.0, 5.0)),
        (segment("Who is there?", 4.5, 6.0), None),
        (segment("Bulge Bracket", 9.0, 9.0), (8.5, 9.5)),
    ]
    expected = [(one, *bounds) for one, bounds in rows if bounds]
    other = segment("Qwen", 2.0, 3.0, channel=1)

    assert expected == list(Echo(LIST).suspects([one for one, _ in rows]))
    assert [(other, 1.5, 3.5)] == list(Echo("Qwen").suspects([segment("Hello.", 1.9, 3.1, channel=0), other]))
    assert not list(Echo("").suspects([one for one, _ in rows]))


def test_removed_segments_are_removed_from_the_text() -> None:
    first, second, third = (Segment(text=text, start=0, end=1) for text in ("One.", "Two.", "Three."))
    left, right = (Segment(text=text, start=0, end=1, channel=at) for at, text in enumerate(("One.", "Two.")))
    one = Transcript(text="One. Two. Three.", segments=(first, second, third), model="m")
    two = Transcript(text="One.\nTwo.", segments=(right, left))

    assert Transcript(text="One. Three.", segments=(first, third), model="m") == without(one, {second})
    assert ("Two.", "One.") == (without(two, {left}).text, without(two, {right}).text)
    assert ("", "One.\nTwo.") == (without(two, {left, right}).text, without(two, set()).text)
