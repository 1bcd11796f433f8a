"""Appends that are found by a scan are the same as from the decoder, and so are the errors of all others.

An unknown field in front leaves the same event to the decoder.
"""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compat.openai_api.realtime.client_events import Append, ClientEvent, decode
from compat.openai_api.realtime.reader import Base64, UnreadableEvent

APPEND = '"input_audio_buffer.append"'
SOUND = base64.b64encode(bytes(range(250))).decode()

spaces = st.sampled_from(["", "", "", " ", "\n", "\t \r\n", " ", "\v", " " * 500])
ids = st.sampled_from(['"e_1-A"', '""', '"a b"', '"\\u0065"', '"é"', '"\\""', '"\\ud800"', "null", "7", '"e'])
sounds = st.one_of(
    st.binary(max_size=40).map(lambda sound: f'"{base64.b64encode(sound).decode()}"'),
    st.binary(max_size=40).map(lambda sound: f'"{base64.urlsafe_b64encode(sound).decode().rstrip("=")}"'),
    st.binary(min_size=60, max_size=99).map(lambda sound: json.dumps(base64.encodebytes(sound).decode())),
    st.text(max_size=12).map(json.dumps),
    st.sampled_from(['"AA\\u003d="', '"AA\\/A"', '"AAE="', '"A"', '"A=A="', '"', '"AAE=', "null", "7", "{}", '"é"']),
    st.sampled_from([f'"{SOUND * 1000}"', f'"{SOUND * 1000}A"', f'"{SOUND}"}}', f'"AAE=","audio":"{SOUND}"']),
)
fields = st.one_of(
    st.tuples(
        st.just('"type"'), st.sampled_from([APPEND, APPEND, '"input_audio_buffer.commit"', '"\\u0069nput"', "7"])
    ),
    st.tuples(st.sampled_from(['"audio"', '"audio"', '"\\u0061udio"', "audio"]), sounds),
    st.tuples(st.just('"event_id"'), ids),
    st.tuples(st.just('"more"'), st.just('{"audio":["AAE="]}')),
)
usual = st.tuples(st.tuples(st.just('"type"'), st.just(APPEND)), st.tuples(st.just('"audio"'), sounds)).map(list)
events = (
    usual
    | st.tuples(usual, st.tuples(st.just('"event_id"'), ids)).map(lambda parts: [*parts[0], parts[1]])
    | st.lists(fields, max_size=5)
)


@st.composite
def frames(draw: st.DrawFn) -> str:
    """Return an event, mostly an append, mostly valid."""

    def space() -> str:
        return draw(spaces)

    inner = f"{space()},{space()}".join(f"{name}{space()}:{space()}{value}" for name, value in draw(events))
    frame = f"{{{space()}{inner}{space()}}}{space()}"
    if draw(st.integers(0, 9)):
        return frame
    at = draw(st.integers(0, len(frame)))
    return (
        frame[:at] + draw(st.sampled_from(["", '"', "}", ",", "\\", "\0", "x"])) + frame[at + draw(st.integers(0, 1)) :]
    )


def outcome(raw: str | bytes) -> ClientEvent | tuple[str, str | None, str | None, str | None]:
    try:
        return decode(raw)
    except UnreadableEvent as error:
        return error.message, error.param, error.code, error.event_id


@given(frames())
@example(f'{{"type":{APPEND},"audio":"AAE="}}')
@example(f'{{"type":{APPEND},"event_id":"a","audio":"AAE=","event_id":"b"}}')
@example(f'{{"type":{APPEND},"audio":"AAE="}}}}')
@settings(deadline=None, max_examples=500)
def test_the_scan_finds_what_the_decoder_finds(frame: str) -> None:
    by_the_decoder = frame.replace("{", '{"nobody knows":0,', 1) if frame.strip(" {}\n\t\r") else frame

    assert outcome(by_the_decoder) == outcome(frame)


@pytest.mark.parametrize(
    ("frame", "event_id"),
    [
        (f'{{"type":{APPEND},"audio":"{SOUND}"}}', None),
        (f'{{"type": {APPEND}, "audio": "{SOUND}"}}\n', None),
        (f'{{"type":{APPEND},"audio":"{SOUND}","event_id":"e"}}', "e"),
        (f'{{"type": {APPEND}, "event_id": "e", "audio": "{SOUND}"}}', "e"),
        (f'{{"event_id":"e","audio":"{SOUND}","type":{APPEND}}}', "e"),
    ],
)
def test_appends_of_common_clients(frame: str, event_id: str | None) -> None:
    expected = Append(event_id=event_id, audio=Base64(bytes(range(250))))

    assert expected == decode(frame) == decode(frame.encode())


@given(st.binary(max_size=30))
def test_bytes_that_are_no_text_are_no_json(noise: bytes) -> None:
    frame = f'{{"type":{APPEND},"audio":"'.encode() + noise + b'\xff"}'

    with pytest.raises(UnreadableEvent) as refused:
        decode(frame)

    assert "invalid_json" == refused.value.code
