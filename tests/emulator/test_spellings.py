"""Requests as real programs write them: nulls for defaults, odd data URIs, unknown fields, and either header for a
stream."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulator.running import (
    ASYNC,
    CHAT,
    GENERATION,
    TEXT,
    TRANSCRIPTION,
    RunningEmulator,
    Start,
    chunks,
    data_uri,
    started,
    wav,
)

AUDIO = data_uri(wav())
ENCODED = AUDIO.partition(",")[2]
LINES = base64.encodebytes(wav()).decode()


@pytest.fixture(scope="module")
def service() -> Iterator[RunningEmulator]:
    with started() as made:
        yield made


@pytest.mark.parametrize(
    "uri",
    [
        f"data:audio/mpeg;base64,{ENCODED}",
        f"data:audio/x-m4a;base64,{ENCODED}",
        f"data:video/mp4;base64,{ENCODED}",
        f"data:application/octet-stream;base64,{ENCODED}",
        f"data:audio/webm;codecs=opus;base64,{ENCODED}",
        f"data:;base64,{ENCODED}",
        f"DATA:AUDIO/WAV;BASE64,{ENCODED}",
        f"data:audio/wav;base64,{LINES}",
        f"data:audio/wav;base64, {ENCODED}\n",
    ],
)
def test_data_uris_in_every_spelling(service: RunningEmulator, uri: str) -> None:
    assert TEXT == service.chat(uri).json()["choices"][0]["message"]["content"]
    assert TEXT == service.generate(uri).json()["output"]["choices"][0]["message"]["content"][0]["text"]


@pytest.mark.parametrize("uri", [ENCODED, "file:///etc/hostname", "/home/a.wav", "a.wav", "", "ftp://127.0.0.1/a.wav"])
def test_an_invalid_data_uri_is_refused(service: RunningEmulator, uri: str) -> None:
    for answer in (service.chat(uri).json()["error"], service.generate(uri).json()):
        assert "The provided URL does not appear to be valid." in answer["message"]


PART = {"type": "input_audio", "input_audio": {"data": AUDIO, "format": "wav"}}
USER = {"role": "user", "content": [PART]}
CHATS = [
    {"messages": [{"role": "system", "content": ""}, USER]},
    {"messages": [{"role": "system", "content": None}, USER]},
    {"messages": [{"role": "system", "content": [{"type": "text", "text": ""}]}, USER]},
    {"messages": [USER], "stream": None, "stream_options": None, "asr_options": None},
    {"messages": [USER], "asr_options": {"language": None, "enable_itn": None, "enable_lid": True}},
    {"messages": [USER], "modalities": ["text"], "temperature": 0.1, "n": 1, "extra_body": {"asr_options": {}}},
    {"messages": [{"role": "user", "content": [PART], "name": "me"}], "user": "me", "parameters": {"asr_options": {}}},
]


@pytest.mark.parametrize("body", CHATS)
def test_chat(service: RunningEmulator, body: dict[str, Any]) -> None:
    answer = service.http.post(CHAT, json={"model": "qwen3-asr-flash", **body})

    assert TEXT == answer.json()["choices"][0]["message"]["content"]


NATIVE = {"role": "user", "content": [{"audio": AUDIO}]}
GENERATIONS = [
    {"input": {"messages": [NATIVE]}},
    {"input": {"messages": [NATIVE]}, "parameters": None},
    {"input": {"messages": [NATIVE]}, "parameters": {"asr_options": None, "incremental_output": None}},
    {"input": {"messages": [NATIVE]}, "parameters": {"asr_options": {"language": None, "enable_lid": True}}},
    {"input": {"messages": [{"role": "system", "content": [{"text": " "}]}, NATIVE], "prompt": ""}, "task": "asr"},
    {"input": {"messages": [{"role": "user", "content": [{"type": "audio", "audio": AUDIO}]}]}, "stream": False},
]


@pytest.mark.parametrize("body", GENERATIONS)
def test_generation(service: RunningEmulator, body: dict[str, Any]) -> None:
    answer = service.http.post(GENERATION, json={"model": "qwen3-asr-flash", **body})

    assert TEXT == answer.json()["output"]["choices"][0]["message"]["content"][0]["text"]


@pytest.mark.parametrize(
    "headers",
    [{"X-DashScope-SSE": "enable"}, {"x-dashscope-sse": "Enable"}, {"Accept": "text/event-stream"}],
)
def test_either_header_requests_a_stream(service: RunningEmulator, headers: dict[str, str]) -> None:
    asked = {"model": "qwen3-asr-flash", "input": {"messages": [NATIVE]}}
    answer = service.http.post(GENERATION, json=asked, headers=headers)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "stop" == chunks(answer)[-1]["output"]["choices"][0]["finish_reason"]


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        {"channel_id": None, "language": None, "corpus": None},
        {"channel_id": 0, "enable_words": None, "special_word_filter": None},
        {"channel_id": [0], "disfluency_removal_enabled": False, "language_hints": ["zh"], "vocabulary_id": ""},
    ],
)
def test_file_tasks(service: RunningEmulator, parameters: dict[str, Any] | None) -> None:
    url = service.upload(wav(), model="fun-asr")
    asked = {"model": "fun-asr", "input": {"file_urls": [url], "file_url": None}, "parameters": parameters}
    headers = {**{name.lower(): "Enable" for name in ASYNC}, "x-dashscope-ossresourceresolve": "enable"}
    task = service.http.post(TRANSCRIPTION, json=asked, headers=headers).json()["output"]["task_id"]

    assert "SUCCEEDED" == service.finished(task)["output"]["task_status"]


def test_paths_may_end_in_a_slash(start: Start) -> None:
    service = start()

    assert 200 == service.http.get("/api/v1/tasks/").status_code
    assert 200 == service.http.post(CHAT + "/", json={"model": "qwen3-asr-flash", "messages": [USER]}).status_code
