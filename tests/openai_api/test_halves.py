from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat.openai_api import halves

HALF = st.integers(0xD800, 0xDFFF).map(chr)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (r"cut \ud83d", "cut \ufffd"),
        (r"\uDE00 cut", "\ufffd cut"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d", "\\\ufffd"),
        (r"\"\u00e9\ud7ff", '"\u00e9\ud7ff'),
    ],
)
def test_halves_are_replaced_and_nothing_else(said: str, read: str) -> None:
    assert read == msgspec.json.decode(halves.replaced(f'"{said}"'))


@given(st.lists(st.text() | HALF).map("".join))
def test_any_text_of_python_can_be_read(text: str) -> None:
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    assert whole == msgspec.json.decode(halves.replaced(json.dumps(text)))
