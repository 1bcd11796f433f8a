"""multimodal-generation for qwen3-asr-flash: native JSON and native event streams."""

from __future__ import annotations

import threading
from typing import Any

import httpx2
import pytest

from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Break, Faults, Rule
from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from tests.emulator.running import GENERATION, HELLO, SPOKEN, SSE, TEXT, Start, chunks, data_uri, wav


def contents(bodies: list[dict[str, Any]]) -> list[Any]:
    return [body["output"]["choices"][0]["message"]["content"] for body in bodies]


def finish_reasons(bodies: list[dict[str, Any]]) -> list[Any]:
    return [body["output"]["choices"][0]["finish_reason"] for body in bodies]


@pytest.mark.parametrize("model", ["qwen3-asr-flash", "qwen3-asr-flash-us", "qwen3-asr-flash-2025-09-08-us"])
def test_a_plain_answer(start: Start, model: str) -> None:
    body = start().generate(model=model).json()

    assert body.pop("request_id")
    assert body == {
        "output": {
            "choices": [
                {
                    "finish_reason": "stop",
                    "message": {
                        "role": "assistant",
                        "content": [{"text": TEXT}],
                        "annotations": [{"type": "audio_info", "language": "en", "emotion": "happy"}],
                    },
                }
            ]
        },
        "usage": {
            "input_tokens_details": {"text_tokens": 0},
            "output_tokens_details": {"text_tokens": 6},
            "seconds": 2,
        },
    }


def test_the_requested_language_is_returned(start: Start) -> None:
    assert '"language":"de"' in start().generate(asr_options={"language": "de"}).text


def test_a_stream_of_pieces(start: Start) -> None:
    answer = start().generate(sse=True, incremental_output=True)
    frames = answer.text.split("\n\n")

    assert [frame.splitlines()[:3] for frame in frames[:-1]] == [
        [f"id:{number}", "event:result", ":HTTP_STATUS/200"] for number in range(1, 5)
    ]
    assert contents(chunks(answer)) == [
        [{"text": "Hello there, old"}], [{"text": " world."}], [{"text": " Good bye!"}], []
    ]  # fmt: skip
    assert finish_reasons(chunks(answer)) == ["null", "null", "null", "stop"]
    assert "[DONE]" not in answer.text


def test_a_stream_of_the_whole_text_so_far(start: Start) -> None:
    answer = start().generate(sse=True)

    assert [content[0]["text"] for content in contents(chunks(answer))] == [
        "Hello there, old", "Hello there, old world.", TEXT, TEXT
    ]  # fmt: skip


def test_frames_are_sent_before_recognition_has_ended(start: Start) -> None:
    go_on = threading.Event()
    service = start(engine=Scripted(SPOKEN, before=lambda sentence: sentence is HELLO or go_on.wait(20)))
    content = [{"audio": data_uri(wav())}]
    body = {"model": "qwen3-asr-flash", "input": {"messages": [{"role": "user", "content": content}]}}

    with service.http.stream("POST", GENERATION, json=body, headers=SSE) as answer:
        lines = answer.iter_lines()
        early = [next(lines) for _ in range(4)]
        go_on.set()
        late = list(lines)

    assert "Hello there, old" in early[-1]
    assert any("Good bye!" in line for line in late)


@pytest.mark.parametrize(
    ("readings", "second_lines"),
    [
        (Readings(), ":HTTP_STATUS/200"),
        (Readings(status_line="field"), "status:200"),
        (Readings(status_line="absent"), "data:"),
    ],
)
def test_status_lines_under_every_reading(start: Start, readings: Readings, second_lines: str) -> None:
    assert start(readings=readings).generate(sse=True).text.splitlines()[2].startswith(second_lines)


def test_finish_reasons_under_both_readings(start: Start) -> None:
    service = start(readings=Readings(finish_reason_string=False))

    assert finish_reasons(chunks(service.generate(sse=True))) == [None, None, None, "stop"]


@pytest.mark.parametrize(("empty_list", "content"), [(True, []), (False, [{"text": ""}])])
@pytest.mark.parametrize("sse", [False, True])
def test_silence_under_both_readings(start: Start, empty_list: bool, content: list[Any], sse: bool) -> None:
    answer = start([], readings=Readings(silence_content_empty_list=empty_list)).generate(sse=sse)

    assert contents(chunks(answer) if sse else [answer.json()]) == [content]


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("qwen9", 400, "InvalidParameter"),
        ("qwen-mt-flash", 400, "InvalidParameter"),
        ("qwen3-asr-flash-filetrans", 403, "AccessDenied"),
        ("fun-asr", 403, "AccessDenied"),
    ],
)
def test_models_of_other_surfaces_are_refused(start: Start, model: str, status: int, code: str) -> None:
    answer = start().generate(model=model)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        ("UklGRg==", "The provided URL does not appear to be valid"),
        (data_uri(b"not a sound"), "The audio format is illegal and cannot be opened"),
        (data_uri(wav(2.5)), "The audio is too long"),
    ],
)
def test_unusable_audio_is_refused(start: Start, audio: str, message: str) -> None:
    answer = start(limits=Limits(sync_seconds=2)).generate(audio)

    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidParameter")
    assert message in answer.json()["message"]


@pytest.mark.parametrize(("in_stream", "status"), [(False, 400), (True, 200)])
def test_a_refused_stream_under_both_readings(start: Start, in_stream: bool, status: int) -> None:
    answer = start(readings=Readings(refusal_in_stream=in_stream)).generate("UklGRg==", sse=True)

    assert answer.status_code == status
    if in_stream:
        assert answer.text.startswith("id:1\nevent:error\n:HTTP_STATUS/400\ndata:")
        assert chunks(answer)[0]["code"] == "InvalidParameter"


def test_an_error_within_a_stream(start: Start) -> None:
    broken = Faults((Rule("generation", Break(after=1, code="InternalError.Timeout", message="late")),))
    answer = start(faults=broken).generate(sse=True)

    assert answer.status_code == 200
    assert "id:2\nevent:error\n:HTTP_STATUS/500\ndata:" in answer.text
    assert {name: chunks(answer)[1][name] for name in ("code", "message")} == {
        "code": "InternalError.Timeout", "message": "late"
    }  # fmt: skip


@pytest.mark.parametrize(
    "content", [[], [{"text": "hello"}], [{"audio": data_uri(wav())}, {"text": "Transcribe this."}], "hello"]
)
def test_exactly_one_audio_part_is_required(start: Start, content: Any) -> None:  # noqa: ANN401 - of any shape
    body = {"model": "qwen3-asr-flash", "input": {"messages": [{"role": "user", "content": content}]}}

    assert start().http.post(GENERATION, json=body).status_code == 400


def test_the_async_header_is_refused(start: Start) -> None:
    service = start()
    service.http.headers["x-dashscope-async"] = "enable"

    assert service.generate().json()["message"] == "current user api does not support asynchronous calls."


def test_a_key_is_required(start: Start) -> None:
    answer = httpx2.post(start().url + GENERATION, json={})

    assert (answer.status_code, answer.json()["code"]) == (401, "InvalidApiKey")
