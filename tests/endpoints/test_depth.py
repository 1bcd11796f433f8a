"""JSON nested 100,000 levels deep, in every place where a client can send JSON."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from websockets.sync.client import connect

from compat.emulator.engines.scripted import Scripted
from tests.running import RunningServer, running_server

DEEP = "[" * 100_000


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(Scripted(())) as opened:
        yield opened


@pytest.mark.parametrize("path", ["client_secrets", "transcription_sessions"])
@pytest.mark.parametrize("body", [DEEP, '{"x":' + DEEP, '{"input_audio_noise_reduction":' + DEEP])
def test_a_deeply_nested_request_body_is_refused(server: RunningServer, path: str, body: str) -> None:
    answer = httpx2.post(f"{server.base_url}/realtime/{path}", content=body)

    assert (400, "invalid_request_error") == (answer.status_code, answer.json()["error"]["type"])


@pytest.mark.parametrize("field", ["chunking_strategy", "special_word_filter", "prompt"])
def test_a_deeply_nested_form_field_is_refused(server: RunningServer, field: str) -> None:
    form = {"model": "fun-asr", field: '{"type":"server_vad","x":' + DEEP}
    answer = httpx2.post(f"{server.base_url}/audio/transcriptions", files={"file": ("a.wav", b"RIFF")}, data=form)

    assert 400 == answer.status_code


def test_a_deeply_nested_frame_gets_an_error_event_and_the_session_continues(server: RunningServer) -> None:
    with connect(f"{server.base_url.replace('http', 'ws', 1)}/realtime?intent=transcription") as session:
        replies = [str(session.recv(timeout=10))]
        for frame in (DEEP, '{"type":"session.update","session":{"input_audio_noise_reduction":' + DEEP, "{}"):
            session.send(frame)
            replies.append(str(session.recv(timeout=10)))

    assert [1, 1, 1] == [text.count('"type":"error"') for text in replies[1:]]
    assert ["nested too deeply" in text for text in replies] == [False, True, True, False]
