from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.openai_api import surrogates

HALF = st.integers(0xD800, 0xDFFF).map(chr)


@pytest.mark.parametrize(
    ("escaped", "expected"),
    [
        (r"cut \ud83d", "cut \ufffd"),
        (r"\uDE00 cut", "\ufffd cut"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d", "\\\ufffd"),
        (r"\"\u00e9\ud7ff", '"\u00e9\ud7ff'),
    ],
)
def test_only_unpaired_surrogates_are_replaced(escaped: str, expected: str) -> None:
    assert expected == msgspec.json.decode(surrogates.replaced(f'"{escaped}"'))


@given(st.lists(st.text() | HALF).map("".join))
def test_any_python_string_can_be_decoded(text: str) -> None:
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    assert whole == msgspec.json.decode(surrogates.replaced(json.dumps(text)))
