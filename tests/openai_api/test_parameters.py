"""The table has a row for every field that the installed openai package can send, and for no other."""

from __future__ import annotations

from typing import get_args, get_type_hints

from openai.types.audio import TranscriptionCreateParams, TranslationCreateParams, transcription_create_params

from compat.openai_api.parameters import TRANSCRIPTION, TRANSLATION

HINTS = {
    name: hint
    for params in get_args(TranscriptionCreateParams)
    for name, hint in get_type_hints(params, vars(transcription_create_params)).items()
}


def test_every_field_of_a_transcription_has_one_row() -> None:
    assert sorted(HINTS) == sorted(row.name for row in TRANSCRIPTION)


def test_every_field_of_a_translation_has_one_row() -> None:
    assert sorted(TranslationCreateParams.__annotations__) == sorted(row.name for row in TRANSLATION)


def test_lists_are_lists() -> None:
    lists = {name for name, hint in HINTS.items() if str(hint).startswith(("typing.List[", "typing.Sequence["))}

    assert lists == {row.name for row in TRANSCRIPTION if row.many}


def test_every_row_says_something_short() -> None:
    for row in TRANSCRIPTION:
        assert row.note.endswith(".")
        assert len(row.note) <= 100
