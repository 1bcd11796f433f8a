"""`serve` with COMPAT_ENGINE=openai: another server recognises the speech, and gets the clients' parameters."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from compat.emulator.engines.tones import VOCABULARY, encode, lay
from tests.cli.test_main import started
from tests.emulator.recordings import wav
from tests.recognisers import Recogniser, recogniser, vllm

WORDS = VOCABULARY[:4]
SPOKEN = {"model": "gpt-live-transcribe", "language": "he"}
LIVE = {"type": "transcription", "audio": {"input": {"transcription": SPOKEN}}}


@pytest.fixture(scope="module")
def other() -> Iterator[Recogniser]:
    with recogniser(vllm, ["Qwen/Qwen3-ASR-1.7B"]) as server:
        yield server


@pytest.fixture(scope="module")
def http(other: Recogniser) -> Iterator[httpx2.Client]:
    """A client of the server in front, which has a DashScope key that it does not use."""
    settings = {"COMPAT_ENGINE_URL": other.url, "COMPAT_ENGINE_KEY": "sk-own", "DASHSCOPE_API_KEY": "sk-unused"}
    with started("serve", "--port", "0", COMPAT_ENGINE="openai", **settings) as (_, lines):
        base = re.search(r"http://127\S+/v1", lines[0])
        assert base is not None
        assert any("127.0.0.1" in line and "in place of DashScope" in line for line in lines)
        with httpx2.Client(base_url=base[0], trust_env=False, timeout=60) as client:
            yield client


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    return wav(tmp_path / "speech.wav", encode(lay(WORDS)))


def test_language_prompt_and_keywords_reach_it(other: Recogniser, http: httpx2.Client, speech: Path) -> None:
    given = {"model": "gpt-transcribe", "language": "he", "prompt": "Ada", "keywords[]": ["Babbage", "Engine"]}
    answer = http.post("/audio/transcriptions", data=given, files={"file": speech.read_bytes()})

    received = other.received[-1]
    assert " ".join(WORDS) == answer.json()["text"]
    assert "openai" == answer.headers["x-compat-engine"] == answer.json()["dashscope"]["engine"]
    assert "x-compat-ignored" not in answer.headers
    assert (["he"], ["Ada\nBabbage, Engine"]) == (received.fields["language"], received.fields["prompt"])
    assert (["Qwen/Qwen3-ASR-1.7B"], "Bearer sk-own") == (received.fields["model"], received.key)


def test_captions_have_the_words_at_their_times(http: httpx2.Client, speech: Path) -> None:
    given = {"model": "whisper-1", "response_format": "vtt"}
    answer = http.post("/audio/transcriptions", data=given, files={"file": speech.read_bytes()})

    assert " ".join(WORDS) in answer.text
    assert 1 == answer.text.count("-->")


def test_live_speech(other: Recogniser, http: httpx2.Client) -> None:
    address = str(http.base_url).replace("http", "ws").rstrip("/") + "/realtime?intent=transcription"
    with connect(address, proxy=None) as socket:
        socket.send(json.dumps({"type": "session.update", "session": LIVE}))
        pcm = encode(lay(WORDS), rate=24_000)
        for at in range(0, len(pcm), 48_000):
            part = base64.b64encode(pcm[at : at + 48_000]).decode()
            socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": part}))
        socket.send('{"type": "input_audio_buffer.commit"}')
        events = [json.loads(socket.recv(30))]
        while not events[-1]["type"].endswith(("completed", "failed", "error")):
            events.append(json.loads(socket.recv(30)))

    assert " ".join(WORDS) == events[-1]["transcript"]
    assert ["he"] == other.received[-1].fields["language"]


def test_translation_is_refused(http: httpx2.Client, speech: Path) -> None:
    answer = http.post("/audio/translations", data={"model": "whisper-1"}, files={"file": speech.read_bytes()})

    assert 400 == answer.status_code
    assert "Translation needs DashScope" in answer.json()["error"]["message"]


def test_live_translation_is_refused(http: httpx2.Client) -> None:
    """The emulator's placeholder for a translation is not returned."""
    address = str(http.base_url).replace("http", "ws").rstrip("/")
    asked = {"session": {"model": "gpt-realtime-translate"}}
    answer = http.post("/realtime/translations/client_secrets", json=asked)
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{address}/realtime/translations?model=gpt-realtime-translate", proxy=None)

    assert 400 == answer.status_code == refused.value.response.status_code
    assert "Translation needs DashScope" in answer.json()["error"]["message"]
    assert answer.json()["error"] | {"param": "model"} == json.loads(refused.value.response.body or b"")["error"]


def test_models_name_the_engine_and_no_languages(http: httpx2.Client) -> None:
    assert {"engine": "openai"} == http.get("/models").json()["dashscope"]


def test_readiness_is_that_of_the_other_server(other: Recogniser, http: httpx2.Client) -> None:
    other.refuses = True
    answer = http.get(f"{http.base_url}".removesuffix("v1/") + "readyz")
    other.refuses = False

    assert 503 == answer.status_code
    assert "COMPAT_ENGINE_KEY" in answer.json()["reason"]
