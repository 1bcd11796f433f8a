"""The page's tables are the code's own, and the code's tables leave nothing of the installed openai package out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from openai.types.audio import transcription_create_params, translation_create_params
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from openai.types.realtime.realtime_transcription_session_create_request_param import (
    RealtimeTranscriptionSessionCreateRequestParam as SessionParam,
)

from compat.openai_api.parameters import TRANSCRIPTION, TRANSLATION, Parameter
from compat.openai_api.realtime import client_events, server_events
from compat.openai_api.realtime.parameters import EVENTS, SESSION, Row

PAGE = (Path(__file__).parent.parent.parent / "docs" / "moving-from-openai.md").read_text()
OPEN = {"audio.input.format", "audio.input.noise_reduction"}  # one row each; what is in them is told in its note


def tags(union: object) -> set[str]:
    """The `type` of every member of an Annotated union of the package's models."""
    members: tuple[Any, ...] = get_args(get_args(union)[0])
    return {get_args(member.model_fields["type"].annotation)[0] for member in members}


def ours(union: object) -> set[str]:
    return {member.__struct_config__.tag for member in get_args(union)}


def paths(shape: Any, prefix: str = "") -> Iterator[str]:  # noqa: ANN401 - the package's own TypedDicts
    for name, hint in get_type_hints(shape).items():
        nested = [part for part in leaves(hint) if hasattr(part, "__total__")]
        if not nested or prefix + name in OPEN:
            yield prefix + name
        for part in nested if prefix + name not in OPEN else ():
            yield from paths(part, f"{prefix}{name}.")


def leaves(hint: Any) -> Iterator[Any]:  # noqa: ANN401 - any annotation
    if get_origin(hint) is None:
        yield hint
    for part in get_args(hint):
        yield from leaves(part)


def table(rows: Iterable[Parameter | Row]) -> str:
    named = [f"{row.name}[]" if isinstance(row, Parameter) and row.many else row.name for row in rows]
    return "\n".join(f"| `{name}` | {row.treatment} | {row.note} |" for name, row in zip(named, rows, strict=True))


@pytest.mark.parametrize("rows", [TRANSCRIPTION, SESSION, EVENTS], ids=["transcription", "session", "events"])
def test_the_page_has_the_code_s_own_table(rows: tuple[Parameter | Row, ...]) -> None:
    assert table(rows) in PAGE


def test_no_parameter_of_the_package_is_left_out() -> None:
    wanted = get_type_hints(transcription_create_params.TranscriptionCreateParamsBase).keys() | {"stream"}
    translated = get_type_hints(translation_create_params.TranslationCreateParams).keys()

    assert wanted == {row.name for row in TRANSCRIPTION}
    assert translated == {row.name for row in TRANSLATION}


def test_no_field_of_a_session_is_left_out() -> None:
    assert set(paths(SessionParam)) == {row.name for row in SESSION}


def test_no_event_of_a_caller_is_left_out() -> None:
    rows = {row.name: row.treatment for row in EVENTS}

    assert tags(RealtimeClientEvent) == set(rows)
    assert ours(client_events.Unanswerable) == {name for name, treatment in rows.items() if treatment == "refused"}


def test_every_event_of_ours_is_told_and_the_package_knows_it() -> None:
    sent = {name for name in ours(server_events.ServerEvent) if not name.startswith("transcription_session.")}

    assert sent == set(re.findall(r"^- `([\w.]+)`", PAGE, re.MULTILINE))
    assert sent <= tags(RealtimeServerEvent)
