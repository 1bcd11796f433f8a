from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable

import pytest

from compat.openai_api.realtime import client_events as theirs
from compat.openai_api.realtime.client_events import decode
from compat.openai_api.realtime.patch import Patch, Transcription
from compat.openai_api.realtime.reader import LONGEST, Base64, UnreadableEvent
from compat.openai_api.translations import client_events as translations


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ({"type": "input_audio_buffer.commit", "event_id": "e"}, theirs.Commit(event_id="e")),
        ({"type": "input_audio_buffer.commit", "event_id": None}, theirs.Commit()),
        ({"type": "input_audio_buffer.clear", "unknown": {"a": 1}}, theirs.Clear()),
        (
            {"type": "input_audio_buffer.append", "audio": base64.b64encode(b"\0\1").decode()},
            theirs.Append(audio=Base64(b"\0\1")),
        ),
        ({"type": "input_audio_buffer.append", "audio": ""}, theirs.Append(audio=Base64())),
        ({"type": "session.update", "session": {}}, theirs.SessionUpdate(session=Patch())),
        (
            {"type": "transcription_session.update", "session": {"input_audio_format": "pcm16"}},
            theirs.TranscriptionSessionUpdate(session=Patch(input_audio_format="pcm16")),
        ),
        ({"type": "conversation.item.retrieve", "item_id": "i"}, theirs.Retrieve(item_id="i")),
        ({"type": "conversation.item.delete", "item_id": "i"}, theirs.Delete(item_id="i")),
        (
            {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 1},
            theirs.Truncate(),
        ),
        ({"type": "conversation.item.create", "item": {"type": "message"}}, theirs.CreateItem()),
        ({"type": "response.create", "response": {}}, theirs.CreateResponse()),
        ({"type": "response.cancel"}, theirs.CancelResponse()),
        ({"type": "output_audio_buffer.clear"}, theirs.ClearOutput()),
    ],
)
def test_an_event_is_decoded(message: dict[str, object], event: theirs.ClientEvent) -> None:
    assert event == decode(json.dumps(message))


@pytest.mark.parametrize(
    ("read", "sent", "useful"),
    [
        (translations.decode, "input_audio_buffer.append", "session.input_audio_buffer.append"),
        (translations.decode, "input_audio_buffer.commit", "session.close"),
        (translations.decode, "session.finish", "session.close"),
        (decode, "session.input_audio_buffer.append", "input_audio_buffer.append"),
    ],
)
def test_a_type_of_another_api_is_refused_naming_those_of_this_one(
    read: Callable[[str], object], sent: str, useful: str
) -> None:
    with pytest.raises(UnreadableEvent) as refused:
        read(json.dumps({"type": sent}))

    named, advice = refused.value.message.split(" (use ")
    assert sent in named
    assert useful in re.findall(r"[a-z_.]+[a-z]", advice)


@pytest.mark.parametrize(
    ("raw", "param", "code", "event_id"),
    [
        ("", None, "invalid_json", None),
        ("nonsense", None, "invalid_json", None),
        ("7", None, "invalid_event", None),
        ("[" * 100_000, None, "invalid_json", None),
        ('{"type": "input_audio_buffer.commit", "x":' + '{"x":' * 100_000, None, "invalid_json", None),
        ('{"event_id": "e"}', "type", "invalid_event", "e"),
        ('{"event_id": 7, "type": "input_audio_buffer.commit"}', "event_id", "invalid_value", None),
        ('{"event_id": "e", "type": 7}', "type", "invalid_event", "e"),
        ('{"event_id": "e", "type": "x"}', "type", "invalid_event", "e"),
        ('{"type": "input_audio_buffer.append", "audio": "a"}', "audio", "invalid_value", None),
        ('{"type": "input_audio_buffer.append"}', "audio", "invalid_event", None),
        (
            '{"type": "session.update", "session": {"audio": {"input": {"turn_detection": {"threshold": "x"}}}}}',
            "session.audio.input.turn_detection.threshold",
            "invalid_value",
            None,
        ),
        (
            '{"type": "session.update", "session": {"input_audio_transcription": {"keywords": ["a", 1]}}}',
            "session.input_audio_transcription.keywords[1]",
            "invalid_value",
            None,
        ),
    ],
)
def test_an_invalid_event_is_refused_naming_the_field(
    raw: str, param: str | None, code: str, event_id: str | None
) -> None:
    with pytest.raises(UnreadableEvent) as refused:
        decode(raw)

    assert (param, code, event_id) == (refused.value.param, refused.value.code, refused.value.event_id)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 57, 58, 59, 4800])
def test_base64_is_decoded_in_every_variant_that_clients_send(size: int) -> None:
    sound = bytes(251 + n * 7 & 255 for n in range(size))
    url = base64.urlsafe_b64encode(sound).decode()
    lines = base64.encodebytes(sound).decode()
    for text in (url, url.rstrip("="), lines, lines.replace("\n", "\r\n"), lines.rstrip("=\n"), f" {url}\n"):
        event = decode(json.dumps({"type": "input_audio_buffer.append", "audio": text}))

        assert isinstance(event, theirs.Append)
        assert sound == event.audio


@pytest.mark.parametrize("text", ["%%%%", "AAA\0", "A", "AAAAA", "AA=A", "é", "AAA é", "😀" * 3])
def test_invalid_base64_is_refused(text: str) -> None:
    with pytest.raises(UnreadableEvent) as refused:
        decode(json.dumps({"type": "input_audio_buffer.append", "audio": text}))

    assert "audio" == refused.value.param


@pytest.mark.parametrize("kind", ["session.update", "transcription_session.update"])
def test_an_update_lists_its_unknown_fields(kind: str) -> None:
    event = decode(json.dumps({"type": kind, "session": {"tools": [1], "tracing": None}}))

    assert isinstance(event, theirs.SessionUpdate | theirs.TranscriptionSessionUpdate)
    assert {"tools": True, "tracing": False} == event.session.unread


def test_an_unpaired_surrogate_becomes_a_replacement_character() -> None:
    raw = json.dumps({"type": "session.update", "session": {"input_audio_transcription": {"prompt": "cut \ud83d"}}})
    event = decode(raw)

    assert isinstance(event, theirs.SessionUpdate)
    assert isinstance(event.session.input_audio_transcription, Transcription)
    assert "cut \ufffd" == event.session.input_audio_transcription.prompt


LONG = "x" * LONGEST
TOO_LONG = [
    {"type": "session.update", "session": {"prompt": LONG}},
    {"type": "input_audio_buffer.clear", "event_id": LONG},
    {"type": LONG},
    [LONG],
]


@pytest.mark.parametrize("event", TOO_LONG)
def test_only_appends_may_be_long(event: object) -> None:
    with pytest.raises(UnreadableEvent) as refused:
        decode(json.dumps(event))

    assert refused.value.code in ("event_too_long", "invalid_json")
    assert len(refused.value.message) < 200
    assert theirs.Append(audio=Base64(bytes(LONGEST))) == decode(
        json.dumps({"audio": base64.b64encode(bytes(LONGEST)).decode(), "type": "input_audio_buffer.append"})
    )


def test_an_invalid_long_append_is_refused_naming_the_field() -> None:
    with pytest.raises(UnreadableEvent) as refused:
        decode(json.dumps({"type": "input_audio_buffer.append", "audio": 5, "more": [LONG]}))

    assert ("audio", "invalid_value") == (refused.value.param, refused.value.code)
