"""The table has a row for every field that the installed openai package can send, and for no other."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest
from openai.types.audio import TranscriptionCreateParams, TranslationCreateParams, transcription_create_params

from compat.openai_api.parameters import TRANSCRIPTION, TRANSLATION, ignored_header

HINTS = {
    name: hint
    for params in get_args(TranscriptionCreateParams)
    for name, hint in get_type_hints(params, vars(transcription_create_params)).items()
}


def test_every_field_of_a_transcription_has_one_row() -> None:
    assert sorted(HINTS) == sorted(row.name for row in TRANSCRIPTION)


def test_every_field_of_a_translation_has_one_row() -> None:
    assert sorted(TranslationCreateParams.__annotations__) == sorted(row.name for row in TRANSLATION)


def test_list_fields_match_the_official_package() -> None:
    lists = {name for name, hint in HINTS.items() if str(hint).startswith(("typing.List[", "typing.Sequence["))}

    assert lists == {row.name for row in TRANSCRIPTION if row.many}


def test_every_row_has_a_short_note() -> None:
    for row in TRANSCRIPTION:
        assert row.note.endswith(".")
        assert len(row.note) <= 100


@pytest.mark.parametrize(
    ("names", "header"),
    [
        ([], ""),
        (["temperature"], "temperature"),
        (["language", "include", "language"], "language,include"),
        (["chunking_strategy[type]", "a-b.c"], "chunking_strategy[type],a-b.c"),
        (["x\r\nset-cookie: a=b"], "x%0D%0Aset-cookie%3A%20a%3Db"),
        (["a,b", "é", "\x00", "\ud800"], "a%2Cb,%C3%A9,%00,%3F"),
        (["n" * 5000], "n" * 64),
        ([f"n{number}" for number in range(1000)], ",".join(f"n{number}" for number in range(50))),
    ],
)
def test_the_ignored_header_is_valid_and_bounded(names: list[str], header: str) -> None:
    assert header == ignored_header(names)
