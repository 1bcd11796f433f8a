"""chat/completions: Model Studio's Qwen-ASR reference, line by line."""

from __future__ import annotations

import base64
import threading
from typing import Any

import httpx2
import pytest

from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from tests.emulator.running import BYE, CHAT, HELLO, SPOKEN, TEXT, Start, chunks, data_uri, wav

AUDIO = {"type": "input_audio", "input_audio": {"data": data_uri(wav(0.2))}}
NOTE = [{"type": "audio_info", "language": "en", "emotion": "happy"}]


def test_a_plain_answer(start: Start) -> None:
    body = start().chat().json()

    assert body["object"] == "chat.completion"
    assert body["model"] == "qwen3-asr-flash"
    assert body["choices"] == [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": TEXT, "annotations": NOTE}}
    ]
    assert body["usage"] == {
        "prompt_tokens": 38,
        "prompt_tokens_details": {"audio_tokens": 38, "text_tokens": 0},
        "completion_tokens": 6,
        "completion_tokens_details": {"text_tokens": 6},
        "total_tokens": 44,
        "seconds": 2,
    }


def test_a_stream_repeats_the_annotations_and_ends_with_usage_and_done(start: Start) -> None:
    answer = start().chat(stream=True, stream_options={"include_usage": True})
    first, *texts, last, usage = chunks(answer)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")
    assert first["choices"][0]["delta"] == {"content": "", "role": "assistant"}
    assert [chunk["choices"][0]["delta"]["content"] for chunk in texts] == ["Hello there, old", " world.", " Good bye!"]
    assert all(chunk["choices"][0]["delta"]["role"] is None for chunk in texts)
    assert [chunk["choices"][0]["delta"]["annotations"][0]["emotion"] for chunk in texts] == [
        "happy",
        "happy",
        "neutral",
    ]
    assert last["choices"] == [{"index": 0, "delta": {"role": None}, "logprobs": None, "finish_reason": "stop"}]
    assert (usage["choices"], usage["usage"]["seconds"]) == ([], 2)


def test_a_stream_without_include_usage_has_no_usage_chunk(start: Start) -> None:
    assert all(chunk["choices"] and chunk["usage"] is None for chunk in chunks(start().chat(stream=True)))


def test_deltas_are_sent_before_recognition_has_ended(start: Start) -> None:
    go_on = threading.Event()
    service = start(engine=Scripted(SPOKEN, before=lambda sentence: sentence is HELLO or go_on.wait(20)))
    body = {"model": "qwen3-asr-flash", "stream": True, "messages": [{"role": "user", "content": [AUDIO]}]}

    with service.http.stream("POST", CHAT, json=body) as answer:
        lines = answer.iter_lines()
        early = [next(lines) for _ in range(6)]
        go_on.set()
        late = list(lines)

    assert any("world." in line for line in early)
    assert any("Good bye!" in line for line in late)


@pytest.mark.parametrize("stream", [False, True])
def test_the_requested_language_is_returned(start: Start, stream: bool) -> None:
    answer = start().chat(asr_options={"language": "de"}, stream=stream)

    assert '"language":"de"' in answer.text
    assert '"language":"en"' not in answer.text


@pytest.mark.parametrize("stream", [False, True])
def test_silence_is_empty_content(start: Start, stream: bool) -> None:
    answer = start([]).chat(stream=stream)

    if stream:
        assert [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks(answer)] == ["", ""]
    else:
        assert answer.json()["choices"][0]["message"]["content"] == ""


@pytest.mark.parametrize(
    ("model", "readings", "bare"),
    [
        ("qwen3-asr-flash", Readings(), False),
        ("qwen3-asr-flash-2026-02-10", Readings(), True),
        ("qwen3-asr-flash", Readings(annotations=False, seconds=False), True),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_annotations_and_seconds_may_be_missing(
    start: Start, model: str, readings: Readings, bare: bool, stream: bool
) -> None:
    options = {"include_usage": True} if stream else None
    answer = start(readings=readings).chat(model=model, stream=stream, stream_options=options)

    assert ("annotations" not in answer.text, '"seconds"' not in answer.text) == (bare, bare)


def test_sentences_in_chinese_are_joined_without_a_space(start: Start) -> None:
    spoken = [
        Sentence(text="欢迎使用。", begin_ms=0, end_ms=500),
        Sentence(text="阿里云。", begin_ms=500, end_ms=900),
        BYE,
    ]

    assert start(spoken).chat().json()["choices"][0]["message"]["content"] == "欢迎使用。阿里云。Good bye!"


SMALL = Limits(sync_bytes=100_000, sync_seconds=2)


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (base64.b64encode(wav(0.2)).decode(), "The provided URL does not appear to be valid"),
        ("file:///etc/passwd", "The provided URL does not appear to be valid"),
        ("data:audio/wav,RIFF", "The provided URL does not appear to be valid"),
        (data_uri(wav(2.5)), "Exceeded limit on max bytes per data-uri item : 100000"),
        (data_uri(b"not a sound" * 100), "The audio format is illegal and cannot be opened"),
        ("data:audio/wav;base64,####", "The audio format is illegal and cannot be opened"),
        (data_uri(b""), "The audio is empty"),
        ("https://example.com/a.wav", "Failed to download multimodal content"),
        ("oss://nowhere/a.wav", "Failed to download multimodal content"),
    ],
)
def test_unusable_audio_is_refused(start: Start, audio: str, message: str) -> None:
    answer = start(limits=SMALL).chat(audio)
    error = answer.json()["error"]

    assert answer.status_code == 400
    assert error["message"].startswith(f"<400> InternalError.Algo.InvalidParameter: {message}")
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", None, "invalid_parameter_error")
    assert answer.json()["request_id"]


def test_audio_over_five_minutes_is_too_long(start: Start) -> None:
    answer = start(limits=Limits(sync_seconds=2)).chat(data_uri(wav(2.5)))

    assert answer.json()["error"]["message"].endswith("The audio is too long")


def test_an_upload_over_ten_megabytes_is_too_large(start: Start) -> None:
    service = start(limits=Limits(sync_bytes=1000))
    answer = service.chat(
        service.upload(wav(), model="qwen3-asr-flash"), headers={"x-dashscope-ossresourceresolve": "enable"}
    )

    assert answer.json()["error"]["message"].endswith("Multimodal file size is too large")


@pytest.mark.parametrize(
    ("resolve", "model", "status"),
    [(True, "qwen3-asr-flash", 200), (False, "qwen3-asr-flash", 400), (True, "fun-asr", 400)],
)
def test_an_upload_is_read_with_the_header_and_by_its_own_model(
    start: Start, resolve: bool, model: str, status: int
) -> None:
    service = start()
    url = service.upload(wav(), model=model)
    headers = {"x-dashscope-ossresourceresolve": "enable"} if resolve else {}

    assert service.chat(url, headers=headers).status_code == status


def test_a_loopback_address_is_fetched(start: Start) -> None:
    service = start()
    address = f"{service.url}/emulator/counts"  # JSON: fetched, and not a sound

    assert service.chat(address).json()["error"]["message"].endswith("The audio format is illegal and cannot be opened")


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "user", "content": "hello"}],
        [{"role": "user", "content": [AUDIO, {"type": "text", "text": "Transcribe this."}]}],
        [{"role": "user", "content": [AUDIO, AUDIO]}],
        [{"role": "user", "content": [AUDIO]}, {"role": "user", "content": [AUDIO]}],
    ],
)
def test_exactly_one_audio_part_is_required(start: Start, messages: list[Any]) -> None:
    answer = start().http.post(CHAT, json={"model": "qwen3-asr-flash", "messages": messages})

    assert answer.status_code == 400
    assert "does not support this input" in answer.json()["error"]["message"]


def test_context_is_a_system_message(start: Start) -> None:
    service = start()
    system = {"role": "system", "content": [{"type": "text", "text": "Names: Ada."}]}
    messages = [system, {"role": "user", "content": [AUDIO]}]
    answer = service.http.post(CHAT, json={"model": "qwen3-asr-flash", "messages": messages})

    assert answer.status_code == 200
    assert service.emulator.requests[-1].context == "Names: Ada."


@pytest.mark.parametrize(
    ("model", "readings", "status", "code"),
    [
        ("qwen9", Readings(), 404, "model_not_found"),
        ("Qwen3-ASR-Flash", Readings(), 404, "model_not_found"),
        ("qwen3-asr-flash-us", Readings(), 404, "model_not_supported"),
        ("qwen3-asr-flash-filetrans", Readings(), 404, "model_not_supported"),
        ("fun-asr-flash-2026-06-15", Readings(), 400, "invalid_parameter_error"),
        ("qwen-audio-3.1-asr-flash", Readings(), 400, "invalid_parameter_error"),
        ("qwen3-asr-flash", Readings(retired=frozenset({"qwen3-asr-flash"})), 403, "access_denied"),
    ],
)
def test_models_of_other_surfaces_are_refused(
    start: Start, model: str, readings: Readings, status: int, code: str
) -> None:
    answer = start(readings=readings).chat(model=model)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_the_refusal_of_a_fun_asr_flash_model_names_the_format(start: Start) -> None:
    assert "format is empty" in start().chat(model="fun-asr-flash-2026-06-15").json()["error"]["message"]


@pytest.mark.parametrize(("refuse", "status"), [(False, 200), (True, 400)])
def test_an_unknown_language(start: Start, refuse: bool, status: int) -> None:
    service = start(readings=Readings(refuse_unknown_language=refuse))

    assert service.chat(asr_options={"language": "xx"}).status_code == status


def test_stream_options_require_a_stream(start: Start) -> None:
    answer = start().chat(stream_options={"include_usage": True})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter_error")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model":"qwen3-asr-flash","messages":7}'])
def test_a_malformed_body_is_refused(start: Start, body: bytes) -> None:
    answer = start().http.post(CHAT, content=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_parameter_error")


def test_an_oversized_body_is_refused_by_the_surface(start: Start) -> None:
    answer = start(limits=Limits(body_bytes=1000)).chat()

    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Payload Too Large")


def test_no_file_is_left_after_a_request(start: Start) -> None:
    service = start()
    for stream in (False, True):
        service.chat(stream=stream)
    service.chat(data_uri(b"not a sound"))

    assert list(service.emulator.folder.path.iterdir()) == []


@pytest.mark.parametrize(
    ("headers", "keys", "status"),
    [
        ({}, None, 401),
        ({"authorization": "Basic c2stdGVzdA=="}, None, 401),
        ({"authorization": "Bearer sk-any"}, None, 200),
        ({"authorization": "Bearer sk-any"}, frozenset({"sk-one"}), 401),
        ({"authorization": "Bearer sk-one"}, frozenset({"sk-one", "sk-two"}), 200),
    ],
)
def test_a_key_is_required(start: Start, headers: dict[str, str], keys: frozenset[str] | None, status: int) -> None:
    service = start(keys=keys)
    body = {"model": "qwen3-asr-flash", "messages": [{"role": "user", "content": [AUDIO]}]}
    answer = httpx2.post(service.url + CHAT, json=body, headers=headers)

    assert answer.status_code == status
    if status == 401:
        sent = "Bearer" in headers.get("authorization", "")
        code, beginning = (
            ("invalid_api_key", "Incorrect API key provided.") if sent else (None, "You didn't provide an")
        )
        assert {"error", "request_id"} == set(answer.json())
        error = answer.json()["error"]
        assert error["message"].startswith(beginning)
        assert (code, "invalid_request_error") == (error["code"], error["type"])
