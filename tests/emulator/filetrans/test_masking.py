from __future__ import annotations

from typing import Any

import msgspec
import pytest

from compat.emulator.engine import Sentence, Word
from compat.emulator.filetrans.masking import masked, read

SAID = Sentence(text="Oh hell, hello.", begin_ms=0, end_ms=900, words=(Word("hell", 200, 400, ","),))
FILTERS: list[tuple[str | dict[str, Any] | None, str]] = [
    (None, "Oh ****, hello."),
    ({}, "Oh ****, hello."),
    ({"system_reserved_filter": False}, "Oh hell, hello."),
    ('{"system_reserved_filter":false}', "Oh hell, hello."),
    ('{"filter_with_signed":{"word_list":["oh"]}}', "** ****, hello."),
    ({"filter_with_empty": {"word_list": ["hello"]}, "system_reserved_filter": False}, "Oh hell, ."),
]


@pytest.mark.parametrize(("given", "text"), FILTERS)
def test_sensitive_words_in_results_are_masked(given: str | dict[str, Any] | None, text: str) -> None:
    shown = masked(SAID, read(given))

    assert text == shown.text
    assert ("****" if "*, h" in text else "hell") == shown.words[0].text


@pytest.mark.parametrize("given", ["hell", "[]", {"system_reserved_filter": "maybe"}])
def test_an_invalid_filter_is_refused(given: str | dict[str, Any]) -> None:
    with pytest.raises(msgspec.MsgspecError):
        read(given)
