from __future__ import annotations

import pytest

from compat.errors import BadRequest
from compat.openai_api.realtime.opening import Opening, opening

BETA = {"openai-beta": "realtime=v1"}
KEY = {"authorization": "Bearer sk-1"}


@pytest.mark.parametrize(
    ("query", "headers", "protocols", "expected"),
    [
        ({"intent": "transcription"}, KEY, [], Opening(credential="sk-1")),
        ({"intent": "transcription", "model": ""}, KEY, [], Opening(credential="sk-1")),
        ({"intent": "transcription", "model": "whisper-1"}, KEY, [], Opening(credential="sk-1", model="whisper-1")),
        ({"model": "gpt-realtime"}, KEY, [], Opening(credential="sk-1", model="gpt-realtime", transcription=False)),
        ({"intent": "transcription"}, KEY | BETA, [], Opening(credential="sk-1", dialect="beta")),
        ({"model": "m"}, KEY | BETA, [], Opening(credential="sk-1", dialect="beta", model="m", transcription=False)),
        (
            {},
            KEY | {"openai-beta": "assistants=v2, realtime=v1"},
            [],
            Opening(credential="sk-1", dialect="beta", transcription=False),
        ),
        ({}, {"authorization": "bearer  ek_1 "}, [], Opening(credential="ek_1", transcription=False)),
        ({}, {"authorization": "Basic sk-1"}, [], Opening(transcription=False)),
        ({}, {"authorization": "Bearer "}, [], Opening(transcription=False)),
        ({}, {}, [], Opening(transcription=False)),
        (
            {"intent": "transcription"},
            {},
            ["realtime", "openai-insecure-api-key.ek_1"],
            Opening(credential="ek_1", subprotocol="realtime"),
        ),
        (
            {"intent": "transcription"},
            {},
            ["openai-organization.o", "openai-insecure-api-key.sk-1", "realtime", "openai-beta.realtime-v1"],
            Opening(credential="sk-1", subprotocol="realtime", dialect="beta"),
        ),
        ({}, KEY, ["openai-insecure-api-key.sk-2"], Opening(credential="sk-1", transcription=False)),
        ({}, {}, ["realtime", "openai-insecure-api-key."], Opening(subprotocol="realtime", transcription=False)),
    ],
)
def test_an_opening_is_parsed(
    query: dict[str, str], headers: dict[str, str], protocols: list[str], expected: Opening
) -> None:
    assert expected == opening(query, headers, protocols)


@pytest.mark.parametrize(
    ("opened", "beta_names"),
    [
        (Opening(dialect="beta", transcription=True), True),
        (Opening(dialect="beta", transcription=False), False),
        (Opening(dialect="ga", transcription=True), False),
    ],
)
def test_only_beta_clients_with_the_intent_use_the_beta_names(opened: Opening, beta_names: bool) -> None:
    assert beta_names is opened.beta_names


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"intent": "translation"}, "intent"),
        ({"intent": "conversation"}, "intent"),
        ({"model": "gpt-realtime-translate"}, "model"),
    ],
)
def test_another_type_of_session_is_refused(query: dict[str, str], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        opening(query, {}, [])

    assert param == refused.value.param
    assert ("/v1/realtime/translations" in refused.value.message) is ("translat" in str(query))
