"""Events of `/v1/realtime/translations`, checked with the types of the official package."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from openai.types.realtime import RealtimeTranslationClientEvent, RealtimeTranslationServerEvent
from pydantic import TypeAdapter

from compat.errors import BadRequest
from compat.openai_api.realtime import server_events as theirs
from compat.openai_api.realtime.reader import LONGEST, Base64, UnreadableEvent
from compat.openai_api.translations import client_events as asked
from compat.openai_api.translations import server_events as ours
from compat.openai_api.translations.session import TranslationPatch, TranslationSession, view

APPEND = "session.input_audio_buffer.append"
SHOWN = view(
    TranslationSession(model="gpt-realtime-translate", native="qwen3.5-livetranslate-flash-realtime"), "sess_1", 5
)
SERVER: list[ours.ServerEvent] = [
    ours.TranslationCreated(event_id="e", session=SHOWN),
    ours.TranslationUpdated(event_id="e", session=SHOWN),
    ours.TranslationClosed(event_id="e"),
    ours.InputTranscriptDelta(event_id="e", delta="d"),
    ours.OutputTranscriptDelta(event_id="e", delta="d"),
    ours.OutputAudioDelta(event_id="e", delta="AAA="),
    theirs.Error(event_id="e", error=theirs.Fault.of(BadRequest("no", param="session.model"), "mine")),
]
CLIENT: list[tuple[dict[str, Any], asked.ClientEvent]] = [
    ({"type": "session.close"}, asked.TranslationClose()),
    ({"type": "session.close", "event_id": "e"}, asked.TranslationClose(event_id="e")),
    ({"type": APPEND, "audio": base64.b64encode(b"\0\1").decode()}, asked.TranslationAppend(audio=Base64(b"\0\1"))),
    ({"type": APPEND, "event_id": "e", "audio": ""}, asked.TranslationAppend(event_id="e", audio=Base64())),
    ({"type": "session.update", "session": {}}, asked.TranslationUpdate(session=TranslationPatch())),
]


@pytest.mark.parametrize("event", SERVER, ids=lambda event: type(event).__name__)
def test_the_official_package_reads_an_event(event: ours.ServerEvent) -> None:
    written = json.loads(ours.encode(event))
    read = TypeAdapter[Any](RealtimeTranslationServerEvent).validate_python(written, strict=True)
    assert read.type == written["type"]
    assert not (read.model_extra or {}).keys() - {"dashscope"}


@pytest.mark.parametrize(("message", "event"), CLIENT)
def test_an_event_of_the_official_package_is_decoded(message: dict[str, Any], event: asked.ClientEvent) -> None:
    TypeAdapter[Any](RealtimeTranslationClientEvent).validate_python(message)
    assert asked.decode(json.dumps(message)) == event
    assert asked.decode(json.dumps(message | {"unknown": {"a": 1}})) == event


@pytest.mark.parametrize(
    ("raw", "param", "code"),
    [
        ("", None, "invalid_json"),
        ("7", None, "invalid_event"),
        ("{}", "type", "invalid_event"),
        ("[" * 100_000, None, "invalid_json"),
        ('{"type": "input_audio_buffer.append", "audio": "AAAA"}', "type", "invalid_event"),
        ('{"type": "session.input_audio_buffer.commit"}', "type", "invalid_event"),
        ('{"type": "session.input_audio_buffer.append"}', "audio", "invalid_event"),
        ('{"type": "session.input_audio_buffer.append", "audio": "a"}', "audio", "invalid_value"),
        ('{"type": "session.input_audio_buffer.append", "audio": null}', "audio", "invalid_value"),
        ('{"type": "session.update"}', "session", "invalid_event"),
        ('{"type": "session.update", "session": null}', "session", "invalid_value"),
        ('{"type": "session.close", "event_id": 7}', "event_id", "invalid_value"),
        ('{"type": "session.update", "session": {"audio": {"output": {"language": 7}}}}',
         "session.audio.output.language", "invalid_value"),
        (json.dumps({"type": "session.update", "session": {"x": "x" * LONGEST}}), None, "event_too_long"),
    ],
)  # fmt: skip
def test_an_invalid_event_is_refused_by_name(raw: str, param: str | None, code: str) -> None:
    with pytest.raises(UnreadableEvent) as refused:
        asked.decode(raw)
    assert (refused.value.param, refused.value.code) == (param, code)
