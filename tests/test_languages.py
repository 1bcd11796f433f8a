"""Parsing of language codes, tags and names, and the names that whisper uses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compat import languages

WRITTEN = [
    ("en", "en"),
    ("EN", "en"),
    ("eng", "en"),
    ("English", "en"),
    (" english ", "en"),
    ("en-US", "en"),
    ("en_US", "en"),
    ("zh", "zh"),
    ("zh-CN", "zh"),
    ("zh_TW", "zh"),
    ("zh-Hant-TW", "zh"),
    ("Mandarin", "zh"),
    ("cmn-Hans-CN", "zh"),
    ("Chinese", "zh"),
    ("yue", "yue"),
    ("Cantonese", "yue"),
    ("zh-yue", "yue"),
    ("zh-HK", "yue"),
    ("yue-Hant-HK", "yue"),
    ("fil", "fil"),
    ("tl", "fil"),
    ("fil-PH", "fil"),
    ("tl_PH", "fil"),
    ("Tagalog", "fil"),
    ("FILIPINO", "fil"),
    ("Castilian", "es"),
    ("es-419", "es"),
    ("pt-BR", "pt"),
    ("deu", "de"),
    ("ger", "de"),
    ("nb-NO", "no"),
    ("nn", "no"),
    ("nynorsk", "no"),
    ("Flemish", "nl"),
    ("sw", "sw"),
    ("Swahili", "sw"),
    ("haitian creole", "ht"),
    ("he", "he"),
    ("zu", "zu"),
    ("gle", "ga"),
    ("kr", "ko"),
    ("en-u-ca-gregory", "en"),
    ("fr-CA-x-foo", "fr"),
    ("en_US.UTF-8", "en"),
    ("de_DE@euro", "de"),
    ("zh_HK.UTF-8", "yue"),
    ("Chinese (Simplified)", "zh"),
    ("Chinese (Hong Kong)", "yue"),
    ("Portuguese (Brazil)", "pt"),
]

# https://www.loc.gov/standards/iso639-2/php/English_list.php
ISO = """
aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en
eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja
jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb
nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq
sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""


def test_every_code_of_iso_639_1_is_a_language() -> None:
    assert all(languages.parse(code) for code in ISO.split())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("zh-TW", "zh-tw"),
        ("zh_Hant_HK", "zh-tw"),
        ("Traditional Chinese", "zh-tw"),
        ("Chinese (Traditional)", "zh-tw"),
        ("zh-Hans", "zh"),
        ("zh-HK", "yue"),
        ("French", "fr"),
    ],
)
def test_traditional_chinese_is_a_translation_target(text: str, code: str) -> None:
    assert code == languages.written(text)
    assert ("traditional chinese" if code == "zh-tw" else languages.name(code)) == languages.name(code)


@pytest.mark.parametrize(("written", "code"), WRITTEN)
def test_codes_tags_and_names_of_a_language_are_parsed(written: str, code: str) -> None:
    assert code == languages.parse(written)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "klingon",
        "xx",
        "xx-US",
        "en-",
        "-",
        "english please",
        "e",
        "zh/CN",
        "(Brazil)",
        "Klingon (US)",
        ".UTF-8",
        "\x00",
        "🙂",
    ],
)
def test_unknown_languages_are_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"is not a language. Known are ISO 639-1 codes, tags "):
        languages.parse(written)


@pytest.mark.parametrize("parse", [languages.parse, languages.written])
def test_a_long_text_is_refused_at_once(parse: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="not a language"):
        parse("." * 262_000 + "!")  # took two minutes in quadratic time


def test_a_long_text_is_not_repeated_in_full() -> None:
    with pytest.raises(ValueError, match="not a language") as caught:
        languages.parse("x" * 10_000)

    assert len(str(caught.value)) < 500


NAMES = [
    ("zh", "chinese"),
    ("yue", "cantonese"),
    ("en", "english"),
    ("ja", "japanese"),
    ("de", "german"),
    ("ko", "korean"),
    ("ru", "russian"),
    ("fr", "french"),
    ("pt", "portuguese"),
    ("ar", "arabic"),
    ("it", "italian"),
    ("es", "spanish"),
    ("hi", "hindi"),
    ("id", "indonesian"),
    ("th", "thai"),
    ("tr", "turkish"),
    ("uk", "ukrainian"),
    ("vi", "vietnamese"),
    ("cs", "czech"),
    ("da", "danish"),
    ("fil", "tagalog"),
    ("tl", "tagalog"),
    ("fi", "finnish"),
    ("is", "icelandic"),
    ("ms", "malay"),
    ("no", "norwegian"),
    ("pl", "polish"),
    ("sv", "swedish"),
    ("mk", "macedonian"),
    ("ZH", "chinese"),
    ("xq", "xq"),
]


@pytest.mark.parametrize(("code", "name"), NAMES)
def test_names_match_whisper(code: str, name: str) -> None:
    assert name == languages.name(code)


def test_every_language_of_the_service_is_parsed_by_code_and_name() -> None:
    assert len(languages.QWEN) == 27
    assert languages.QWEN < languages.DASHSCOPE
    for code in languages.DASHSCOPE:
        assert code == languages.parse(code) == languages.parse(languages.name(code))


def test_known_languages_include_some_that_the_service_lacks() -> None:
    assert languages.parse("sw") not in languages.DASHSCOPE
    assert languages.parse("nl") in languages.DASHSCOPE - languages.QWEN
