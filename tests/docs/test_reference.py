"""The tables in docs/reference equal the code's, which cover all of the installed openai package."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from openai.types.audio import transcription_create_params, translation_create_params
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from openai.types.realtime.realtime_transcription_session_create_request_param import (
    RealtimeTranscriptionSessionCreateRequestParam as SessionParam,
)

from compat.endpoints.not_found import ABSENT
from compat.openai_api.parameters import TRANSCRIPTION, TRANSLATION, Parameter
from compat.openai_api.realtime import client_events, server_events
from tests.docs.realtime_parameters import EVENTS, SENT, SESSION, Row

PAGE = "\n".join(page.read_text() for page in (Path(__file__).parent.parent.parent / "docs" / "reference").glob("*.md"))
OPEN = {"audio.input.format", "audio.input.noise_reduction"}  # one row each; the note describes their fields


def members(union: object) -> dict[str, Any]:
    """Return the members of an Annotated union of the package's models by their `type`."""
    models: tuple[Any, ...] = get_args(get_args(union)[0])
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in models}


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


@pytest.mark.parametrize(
    "rows", [TRANSCRIPTION, SESSION, EVENTS, SENT], ids=["transcription", "session", "events", "sent"]
)
def test_the_page_has_the_code_s_tables(rows: tuple[Parameter | Row, ...]) -> None:
    assert table(rows) in PAGE


def test_every_parameter_of_the_package_is_listed() -> None:
    shapes = get_args(transcription_create_params.TranscriptionCreateParams)
    wanted = {name for shape in shapes for name in get_type_hints(shape)}
    translated = get_type_hints(translation_create_params.TranslationCreateParams).keys()

    assert wanted == {row.name for row in TRANSCRIPTION}
    assert translated == {row.name for row in TRANSLATION}
    assert "translations` takes {}".format(", ".join(f"`{row.name}`" for row in TRANSLATION[:-1])) in PAGE


def test_every_field_of_a_session_is_listed() -> None:
    assert set(paths(SessionParam)) == {row.name for row in SESSION}


def test_every_client_event_is_listed() -> None:
    rows = {row.name: row.treatment for row in EVENTS}

    assert set(rows) == members(RealtimeClientEvent).keys()
    assert ours(client_events.Unanswerable) == {name for name, treatment in rows.items() if treatment == "refused"}


def test_every_server_event_and_its_fields_are_listed() -> None:
    theirs, sent = members(RealtimeServerEvent), {row.name for row in SENT if row.treatment == "same"}
    absent = [row.name for row in SENT if row.treatment == "absent"]
    structs = {struct.__struct_config__.tag: struct for struct in get_args(server_events.ServerEvent)}
    fields = {
        f"{event}.{field}"
        for event in sent
        for field in theirs[event].model_fields.keys() - {"type", *structs[event].__struct_fields__}
    }

    unsent = theirs.keys() - sent
    assert sent == {name for name in structs if not name.startswith("transcription_session.")}
    assert unsent | fields == {name for name in unsent | fields if any(fnmatch.fnmatch(name, row) for row in absent)}
    assert [] == [row for row in absent if not fnmatch.filter(unsent | fields, row)]


def test_the_page_lists_every_unsupported_path() -> None:
    rows = {
        what: ", ".join(f"`/v1{path}`" for path in ABSENT if ABSENT[path] == what)
        for what in dict.fromkeys(ABSENT.values())
    }

    assert "\n".join(f"| {what} | {paths} |" for what, paths in rows.items()) in PAGE
