"""What callers write is found; what is no language is refused; names are whisper's."""

from __future__ import annotations

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
]


@pytest.mark.parametrize(("written", "code"), WRITTEN)
def test_a_language_is_found_however_it_is_written(written: str, code: str) -> None:
    assert code == languages.parse(written)


@pytest.mark.parametrize(
    "written", ["", "klingon", "xx", "xx-US", "en-", "-", "english please", "e", "zh/CN", "\x00", "🙂"]
)
def test_what_is_no_language_is_refused_with_what_is_known(written: str) -> None:
    with pytest.raises(ValueError, match=r"is not a language.*the service can be told to expect ar, bg, "):
        languages.parse(written)


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
def test_names_are_whispers(code: str, name: str) -> None:
    assert name == languages.name(code)


def test_every_language_of_the_service_finds_itself_by_code_and_by_name() -> None:
    assert len(languages.QWEN) == 27
    assert languages.QWEN < languages.DASHSCOPE
    for code in languages.DASHSCOPE:
        assert code == languages.parse(code) == languages.parse(languages.name(code))


def test_what_the_service_lacks_can_be_told_apart() -> None:
    assert languages.parse("sw") not in languages.DASHSCOPE
    assert languages.parse("nl") in languages.DASHSCOPE - languages.QWEN
