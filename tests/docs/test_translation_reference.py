"""The tables of live translation in docs/reference equal the code's, and cover all of the installed openai package."""

from __future__ import annotations

import fnmatch
from typing import get_args

import pytest
from openai.types.realtime import RealtimeTranslationClientEvent, RealtimeTranslationServerEvent
from openai.types.realtime.realtime_translation_session_create_request_param import (
    RealtimeTranslationSessionCreateRequestParam,
)

from compat.catalogue import translators
from compat.openai_api.translations import client_events, server_events
from tests.docs.realtime_parameters import Row
from tests.docs.test_reference import PAGE, members, ours, paths, table
from tests.docs.translation_parameters import TRANSLATED_SESSION, TRANSLATION_EVENTS, TRANSLATION_SENT


@pytest.mark.parametrize(
    "rows", [TRANSLATED_SESSION, TRANSLATION_EVENTS, TRANSLATION_SENT], ids=["session", "events", "sent"]
)
def test_the_page_has_the_tables_of_live_translation(rows: tuple[Row, ...]) -> None:
    assert table(rows) in PAGE


@pytest.mark.parametrize("version", ["3", "3.5", "3.8"])
def test_the_page_has_the_number_of_languages(version: str) -> None:
    name = f"qwen{version}-livetranslate-flash-realtime"
    model = translators.row(name)
    source = "always" if model.nested else "on request"

    assert f"| `{name}` | {len(model.spoken | model.written)}, {len(model.spoken)} | {source} |" in PAGE


def test_every_field_of_a_translating_session_is_listed() -> None:
    assert set(paths(RealtimeTranslationSessionCreateRequestParam)) == {row.name for row in TRANSLATED_SESSION}


def test_every_client_event_of_live_translation_is_listed() -> None:
    rows = {row.name for row in TRANSLATION_EVENTS}

    assert rows == members(RealtimeTranslationClientEvent).keys() == ours(client_events.ClientEvent)


def test_every_server_event_of_live_translation_and_its_fields_are_listed() -> None:
    theirs, sent = (
        members(RealtimeTranslationServerEvent),
        {row.name for row in TRANSLATION_SENT if row.treatment == "same"},
    )
    absent = [row.name for row in TRANSLATION_SENT if row.treatment == "absent"]
    structs = {struct.__struct_config__.tag: struct for struct in get_args(server_events.ServerEvent)}
    fields = {
        f"{event}.{field}"
        for event in sent
        for field in theirs[event].model_fields.keys() - {"type", *structs[event].__struct_fields__}
    }

    assert sent == theirs.keys() == structs.keys()
    assert fields == {name for name in fields if any(fnmatch.fnmatch(name, row) for row in absent)}
    assert [] == [row for row in absent if not fnmatch.filter(fields, row)]
