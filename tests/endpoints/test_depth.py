"""JSON that is nested a hundred thousand times, at every place where a caller's JSON is read."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from websockets.sync.client import connect

from compat.emulator.engines.scripted import Scripted
from tests.house import House, house

DEEP = "[" * 100_000


@pytest.fixture(scope="module")
def home() -> Iterator[House]:
    with house(Scripted(())) as opened:
        yield opened


@pytest.mark.parametrize("path", ["client_secrets", "transcription_sessions"])
@pytest.mark.parametrize("body", [DEEP, '{"x":' + DEEP, '{"input_audio_noise_reduction":' + DEEP])
def test_a_request_is_refused(home: House, path: str, body: str) -> None:
    answer = httpx2.post(f"{home.base_url}/realtime/{path}", content=body)

    assert (400, "invalid_request_error") == (answer.status_code, answer.json()["error"]["type"])


@pytest.mark.parametrize("field", ["chunking_strategy", "special_word_filter", "prompt"])
def test_a_field_is_refused_or_is_text(home: House, field: str) -> None:
    form = {"model": "fun-asr", field: '{"type":"server_vad","x":' + DEEP}
    answer = httpx2.post(f"{home.base_url}/audio/transcriptions", files={"file": ("a.wav", b"RIFF")}, data=form)

    assert 400 == answer.status_code


def test_a_live_frame_is_an_error_event_and_the_session_goes_on(home: House) -> None:
    with connect(f"{home.base_url.replace('http', 'ws', 1)}/realtime?intent=transcription") as session:
        heard = [str(session.recv(timeout=10))]
        for frame in (DEEP, '{"type":"session.update","session":{"input_audio_noise_reduction":' + DEEP, "{}"):
            session.send(frame)
            heard.append(str(session.recv(timeout=10)))

    assert [1, 1, 1] == [text.count('"type":"error"') for text in heard[1:]]
    assert ["nested too deeply" in text for text in heard] == [False, True, True, False]
