"""What no caller should say is answered, and the session goes on."""

from __future__ import annotations

import json

import pytest

from tests.bridge.stage import (
    Said,
    Stage,
    append,
    client,
    play,
    raw,
    ready,
    update,
)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (raw("{"), "invalid_json None None"),
        (raw("[]"), "invalid_event None None"),
        (raw(b"\0\1"), "invalid_value None None"),
        (raw(json.dumps({"event_id": "e"})), "invalid_event type e"),
        (client("no.such", event_id="e"), "invalid_event type e"),
        (client("input_audio_buffer.append", event_id="e"), "invalid_event audio e"),
        (client("input_audio_buffer.append", event_id="e", audio=7), "invalid_value audio e"),
        (client("input_audio_buffer.append", event_id="e", audio="%%%"), "invalid_value audio e"),
        (client("session.update", event_id="e", session=[]), "invalid_value session e"),
        (client("response.create", event_id="e"), "unsupported_event type e"),
        (client("response.cancel", event_id="e"), "response_cancel_not_active None e"),
        (client("conversation.item.create", event_id="e", item={}), "unsupported_event type e"),
        (client("conversation.item.truncate", event_id="e", item_id="i"), "unsupported_event type e"),
        (update(format="mp3"), "invalid_value session.audio.input.format None"),
        (update(format={"type": "audio/pcm", "rate": 44100}), "invalid_value session.audio.input.format.rate None"),
        (update(turn_detection={"type": "magic"}), "invalid_value session.audio.input.turn_detection.type None"),
        (
            update(transcription={"language": "klingon"}),
            "invalid_value session.audio.input.transcription.language None",
        ),
    ],
)
def test_bad_input_is_answered_and_the_session_goes_on(said: Said, heard: str) -> None:
    stage = ready(Stage())

    play(stage, [(said, [f"< error {heard}"]), (append(100), ["> audio 3200"])])
    assert "invalid_request_error" == stage.frames[-1]["error"]["type"]
