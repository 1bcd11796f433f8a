"""Layout of captions: widths, places where a line may break, and the lines of real sentences in several languages."""

from __future__ import annotations

import pytest
import wcwidth
from hypothesis import given
from hypothesis import strategies as st

from compat.openai_api.layout import fits, lines, may_break, parts, spread, units, width, words
from compat.transcript import LAYOUT, Layout, Word

CHINESE = "我们今天下午在会议室里讨论了公司明年的发展计划，大家都觉得应该先从用户体验入手。"
TRADITIONAL = "我們今天下午在會議室裡討論了公司明年的發展計劃以及如何提高產品的市場佔有率。"
MIXED = "我们在2026年发布了Qwen3模型，效果提升了30%。他说：“这个结果非常好！”"
JAPANESE = "今日は天気がとてもいいので、家族みんなで近くの公園に散歩に行きました。"
QUOTED = "「こんにちは」と言って、彼はドアを開けました。"
THAI = "วันนี้อากาศดีมากเราจึงไปเดินเล่นที่สวนสาธารณะใกล้บ้านกับครอบครัว และหลังจากนั้นเราก็กลับบ้าน"
ARABIC = "في هذا المساء ناقش المجلس خطة التنمية الجديدة للعام القادم، واتفق الجميع على ذلك."
GERMAN = "Die Donaudampfschifffahrtsgesellschaft hat bekannt gegeben, dass der Betrieb eingestellt wird."
ENGLISH = "The quick brown fox jumps over the lazy dog and then goes home to sleep."
FRENCH = "Qu'est-ce que c'est ? Je ne sais pas ! Mais il faut que nous partions avant la nuit."
KOREAN = "오늘 오후에 우리는 회의실에서 회사의 내년 발전 계획에 대해 논의했습니다."


CUES: list[tuple[str, str, Layout, list[list[str]]]] = [
    (
        "Chinese breaks between words",
        CHINESE,
        LAYOUT,
        [["我们今天下午在会议室里讨论了公司明年的发展", "计划，大家都觉得应该先从用户体验入手。"]],
    ),
    (
        "Chinese in lines of ten characters",
        CHINESE,
        Layout(max_line_width=20),
        [["我们今天下午在会议室", "里讨论了公司明年的"], ["发展计划，"], ["大家都觉得应该先", "从用户体验入手。"]],
    ),
    (
        "traditional Chinese",
        TRADITIONAL,
        LAYOUT,
        [["我們今天下午在會議室裡討論了公司明年的", "發展計劃以及如何提高產品的市場佔有率。"]],
    ),
    (
        "Latin words and numbers in Chinese stay whole",
        MIXED,
        LAYOUT,
        [["我们在2026年发布了Qwen3模型，", "效果提升了30%。他说：“这个结果非常好！”"]],
    ),
    (
        "Japanese breaks between phrases",
        JAPANESE,
        LAYOUT,
        [["今日は天気がとてもいいので、", "家族みんなで近くの公園に散歩に行きました。"]],
    ),
    (
        "Japanese in lines of ten characters",
        JAPANESE,
        Layout(max_line_width=20),
        [["今日は天気が", "とてもいいので、"], ["家族みんなで", "近くの公園に"], ["散歩に行きました。"]],
    ),
    (
        "brackets stay with their text",
        QUOTED,
        Layout(max_line_width=14),
        [["「こんにちは」", "と言って、"], ["彼はドアを", "開けました。"]],
    ),
    (
        "Thai breaks between words",
        THAI,
        LAYOUT,
        [["วันนี้อากาศดีมากเราจึงไปเดินเล่นที่สวนสาธารณะ", "ใกล้บ้านกับครอบครัว และหลังจากนั้นเราก็กลับบ้าน"]],
    ),
    (
        "Thai in one line a cue",
        THAI,
        Layout(max_line_count=1),
        [["วันนี้อากาศดีมากเราจึงไปเดินเล่นที่สวนสาธารณะ"], ["ใกล้บ้านกับครอบครัว และหลังจากนั้นเราก็กลับบ้าน"]],
    ),
    (
        "Thai breaks at a space",
        "ฝนตกหนัก เราจึงรีบกลับบ้านกัน",
        Layout(max_line_width=18),
        [["ฝนตกหนัก", "เราจึงรีบกลับบ้านกัน"]],
    ),
    (
        "no line ends with an article",
        "She was the first of the ones who went",
        Layout(max_line_width=24),
        [["She was the first", "of the ones who went"]],
    ),
    (
        "Arabic breaks after its comma",
        ARABIC,
        LAYOUT,
        [["في هذا المساء ناقش المجلس خطة", "التنمية الجديدة للعام القادم،"], ["واتفق الجميع على ذلك."]],
    ),
    (
        "a long German word stays whole",
        GERMAN,
        LAYOUT,
        [["Die Donaudampfschifffahrtsgesellschaft", "hat bekannt gegeben,"], ["dass der Betrieb eingestellt wird."]],
    ),
    (
        "a German word that is wider than a line stays whole",
        GERMAN,
        Layout(max_line_width=20),
        [
            ["Die", "Donaudampfschifffahrtsgesellschaft"],
            ["hat bekannt gegeben,"],
            ["dass der Betrieb", "eingestellt wird."],
        ],
    ),
    (
        "English in two lines of about equal width",
        ENGLISH,
        LAYOUT,
        [["The quick brown fox jumps over the lazy", "dog and then goes home to sleep."]],
    ),
    (
        "French punctuation stays with its word",
        FRENCH,
        Layout(max_line_width=20),
        [
            ["Qu'est-ce", "que c'est ?"],
            ["Je ne sais pas !"],
            ["Mais il faut", "que nous"],
            ["partions", "avant la nuit."],
        ],
    ),
    (
        "Korean breaks at spaces",
        KOREAN,
        LAYOUT,
        [["오늘 오후에 우리는 회의실에서 회사의", "내년 발전 계획에 대해 논의했습니다."]],
    ),
    (
        "one line",
        ENGLISH,
        Layout(max_line_count=1),
        [["The quick brown fox jumps over the lazy"], ["dog and then goes home to sleep."]],
    ),
    (
        "three lines",
        ENGLISH,
        Layout(max_line_width=30, max_line_count=3),
        [["The quick brown fox jumps", "over the lazy dog and then", "goes home to sleep."]],
    ),
    (
        "a limit of words alone means one line a cue",
        ENGLISH,
        Layout(max_words_per_line=4),
        [["The quick brown fox"], ["jumps over the lazy"], ["dog and then goes"], ["home to sleep."]],
    ),
    (
        "words in two lines",
        ENGLISH,
        Layout(max_words_per_line=4, max_line_count=2),
        [["The quick brown fox", "jumps over the lazy"], ["dog and then goes", "home to sleep."]],
    ),
    ("one word a cue", "Hello, big world!", Layout(max_words_per_line=1), [["Hello,"], ["big"], ["world!"]]),
]


@pytest.mark.parametrize(("text", "layout", "expected"), [row[1:] for row in CUES], ids=[row[0] for row in CUES])
def test_a_sentence_of_six_seconds_is_broken_into_cues_and_lines(
    text: str, layout: Layout, expected: list[list[str]]
) -> None:
    cut = parts(units(text, spread(Word(text, 0.0, 6.0)), layout), layout)

    assert expected == [lines(part, layout) for part in cut]


@pytest.mark.parametrize("text", [row[1] for row in CUES], ids=[row[0] for row in CUES])
def test_widths_are_those_of_a_terminal(text: str) -> None:
    assert wcwidth.wcswidth(text) == width(text)


WIDTHS = [
    ("", 0),
    ("abc", 3),
    ("字", 2),
    ("ｶﾅ", 2),
    ("，", 2),
    ("é", 1),
    ("e\u0301", 1),
    ("ที่", 1),
    ("น้ำ", 2),
    ("한국", 4),
    ("\u1112\u1161\u11ab", 2),
    ("👩‍👩‍👧", 2),
    ("❤\ufe0f", 2),
    ("مَرحبا", 5),
    ("a\u200bb", 2),
]


@pytest.mark.parametrize(("text", "columns"), WIDTHS)
def test_a_full_width_character_takes_two_columns_and_a_mark_none(text: str, columns: int) -> None:
    assert columns == width(text)


BREAKS = [
    ("one ", "two", True),
    ("one", " two", True),
    ("non-", "stop", False),
    ("10\u00a0", "km", False),
    ("10 ", "%", False),
    ("Quoi ", "?", False),
    ("well ", "...", False),
    ("well. ", "...", True),
    ("use ", ".NET", True),
    ("今", "天", True),
    ("天", "。", False),
    ("。", "天", True),
    ("天", "」", False),
    ("「", "天", False),
    ("（", "天", False),
    ("天", "（", True),
    ("“", "天", False),
    ("天", "”", False),
    ("キ", "ャ", False),
    ("あ", "っ", False),
    ("デ", "ー", False),
    ("人", "々", False),
    ("ジャズ", "・", False),
    ("Qwen3", "模", True),
    ("模", "Qwen3", True),
    ("ก", "า", False),
    ("เ", "ก", False),
    ("ท", "ี่", False),
    ("น", "ำ", False),
    ("บ้าน", "กับ", True),
    ("ข", "ๆ", False),
    ("ក្", "ត", False),
    ("한", "국", False),
    ("👩\u200d", "👧", False),
    ("😀", "😀", True),
    ("字\u200b", "x", True),
]


@pytest.mark.parametrize(("left", "right", "allowed"), BREAKS)
def test_lines_break_only_where_the_script_allows_it(left: str, right: str, allowed: bool) -> None:
    assert allowed == may_break(left, right)


def test_a_service_s_word_that_is_wider_than_a_line_is_broken() -> None:
    whole = units(CHINESE, [Word(CHINESE, 0.0, 6.0)], LAYOUT)

    assert units(CHINESE, spread(Word(CHINESE, 0.0, 6.0)), LAYOUT) == whole


def test_a_service_s_words_are_not_broken() -> None:
    timed = [Word("市場", 0.0, 1.0), Word("佔有率", 1.0, 2.0), Word("提高", 2.0, 3.0)]
    layout = Layout(max_line_width=6, max_line_count=1)

    assert [["市場"], ["佔有率"], ["提高"]] == [
        lines(part, layout) for part in parts(units("市場佔有率提高", timed, layout), layout)
    ]


PIECES = st.sampled_from(
    [
        "今",
        "天",
        "。",
        "，",
        "「",
        "」",
        "キ",
        "ャ",
        "ー",
        "ที่",
        "เ",
        "า",
        " ",
        " ",
        "word",
        "a",
        "!",
        "(",
        ")",
        "é",
        "😀",
        "مَ",
        "나",
        "extraordinarily",
    ]
)


@given(
    st.lists(PIECES, min_size=1, max_size=80).map("".join).filter(str.strip),
    st.builds(Layout, st.integers(1, 50), st.none() | st.integers(1, 4), st.none() | st.integers(1, 5)),
)
def test_lines_keep_all_text_within_the_limits(text: str, layout: Layout) -> None:
    whole = units(text, spread(Word(text, 0.0, 10.0)), layout)
    cut = list(parts(whole, layout))
    made = [lines(part, layout) for part in cut]

    assert "".join(text.split()) == "".join("".join(line.split()) for cue in made for line in cue)
    assert text == "".join(words(text))
    assert all(fits(part, layout) for part in cut)
    for line in (line for cue in made for line in cue):
        inside = words(line)
        assert width(line) <= layout.max_line_width or len(inside) == 1
        assert len(inside) <= (layout.max_words_per_line or len(inside))
    assert all(1 <= len(cue) <= layout.lines for cue in made)
