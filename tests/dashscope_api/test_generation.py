from __future__ import annotations

from typing import Any

import msgspec
import pytest

from compat.dashscope_api import generation
from compat.dashscope_api.calls import File
from compat.errors import CompatError, NotAuthenticated, RateLimited, ServiceFailed
from compat.transcript import Transcript, Usage
from tests.dashscope_api.support import MEDIA, answer, json_of, request, splits

ASKED = request("generation", "qwen3-asr-flash-us")
USER = {"role": "user", "content": [{"audio": "data:audio/wav;base64,a.wav"}]}


def test_a_minimal_request() -> None:
    call = generation.call(ASKED, stream=False)

    assert ("POST", "/api/v1/services/aigc/multimodal-generation/generation") == (call.method, call.url)
    assert call.headers == {"content-type": "application/json"}
    assert call.body[1] == File(MEDIA.path, MEDIA.size, base64=True)
    assert json_of(call) == {
        "model": "qwen3-asr-flash-us",
        "parameters": {"result_format": "message"},
        "input": {"messages": [USER]},
    }


def test_a_streamed_request_with_all_options() -> None:
    asked = request("generation", language="zh", context="ctx", options={"enable_itn": True})
    call = generation.call(asked, stream=True)

    assert call.headers["x-dashscope-sse"] == "enable"
    assert json_of(call) == {
        "model": "qwen3-asr-flash",
        "parameters": {
            "result_format": "message",
            "incremental_output": True,
            "asr_options": {"language": "zh", "enable_itn": True},
        },
        "input": {"messages": [{"role": "system", "content": [{"text": "ctx"}]}, USER]},
    }


ANNOTATIONS = [{"type": "audio_info", "language": "zh", "emotion": "neutral"}]
USAGE = {"input_tokens_details": {"text_tokens": 0}, "output_tokens_details": {"text_tokens": 6}, "seconds": 1}


def generated(content: object, finish_reason: str | None = "stop", **more: object) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "annotations": ANNOTATIONS}
    return {"request_id": "r", "output": {"choices": [{"finish_reason": finish_reason, "message": message}]}, **more}


def transcript_of(text: str, usage: Usage | None = None) -> Transcript:
    return Transcript(
        text=text,
        language="zh",
        emotion="neutral",
        duration=2.5,
        usage=usage or Usage(),
        model="qwen3-asr-flash-us",
        surface="generation",
        request_id="r",
    )


FULL = Usage(seconds=1.0, text_tokens=0, output_tokens=6)
ANSWERS: dict[str, tuple[dict[str, Any], Transcript]] = {
    "documented": (generated([{"text": "欢迎。"}], usage=USAGE), transcript_of("欢迎。", FULL)),
    "silence": (generated([]), transcript_of("")),
    "a plain string": (generated("欢迎。"), transcript_of("欢迎。")),
    "tokens only": (
        generated([{"text": "a"}], usage={"input_tokens_details": {"audio_tokens": 51}}),
        transcript_of("a", Usage(seconds=3.0, audio_tokens=51)),
    ),
}


@pytest.mark.parametrize(("body", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_a_response_becomes_a_transcript(body: dict[str, Any], expected: Transcript) -> None:
    assert expected == generation.transcript(ASKED, answer(body))


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"code": "InvalidApiKey", "message": "no"}, 401, NotAuthenticated),
        ({"code": "InvalidApiKey", "msg": "no"}, 200, NotAuthenticated),
        ({"output": {"choices": []}}, 200, ServiceFailed),
        ({}, 200, ServiceFailed),
    ],
)
def test_a_response_without_a_transcript_raises(body: dict[str, Any], status: int, error: type[CompatError]) -> None:
    with pytest.raises(error):
        generation.transcript(ASKED, answer(body, status))


def frames(*messages: dict[str, Any], event: str = "result") -> bytes:
    return b"".join(
        f"id:{at}\nevent:{event}\n:HTTP_STATUS/200\ndata:".encode() + msgspec.json.encode(body) + b"\n\n"
        for at, body in enumerate(messages, 1)
    )


START = generated([], "null")
STREAMS: dict[str, tuple[bytes, list[str], Transcript]] = {
    "documented": (
        frames(
            START,
            generated([{"text": "欢"}], "null"),
            generated([{"text": "迎"}], None),
            generated([{"text": "。"}], usage=USAGE),
        ),
        ["欢", "迎", "。"],
        transcript_of("欢迎。", FULL),
    ),
    "usage after the end": (
        frames(generated([{"text": "a"}]), {"request_id": "r", "output": {"choices": []}, "usage": USAGE}),
        ["a"],
        transcript_of("a", FULL),
    ),
    "silence": (frames(START, generated([])), [], transcript_of("")),
}


@pytest.mark.parametrize(("raw", "deltas", "expected"), STREAMS.values(), ids=STREAMS)
def test_a_stream_yields_deltas_and_a_transcript(raw: bytes, deltas: list[str], expected: Transcript) -> None:
    for pieces in splits(raw):
        stream = generation.stream(ASKED)

        received = [text for piece in pieces for text in stream.feed(piece)] + stream.flush()

        assert deltas == received
        assert expected == stream.transcript()


ERROR = {"code": "Throttling.RateQuota", "message": "slow", "request_id": "r"}
BREAKS: dict[str, tuple[bytes, type[CompatError]]] = {
    "cut": (frames(START, generated([{"text": "a"}], "null")), ServiceFailed),
    "empty": (b"", ServiceFailed),
    "a page": (b"<html></html>", ServiceFailed),
    "nonsense": (b"data:[]\n\n", ServiceFailed),
    "an error frame": (frames(START) + frames(ERROR, event="error"), RateLimited),
    "an error frame without a code": (frames({"message": "m"}, event="error"), ServiceFailed),
    "an error instead of a stream": (msgspec.json.encode(ERROR), RateLimited),
}


@pytest.mark.parametrize(("raw", "error"), BREAKS.values(), ids=BREAKS)
def test_a_broken_stream_raises(raw: bytes, error: type[CompatError]) -> None:
    for pieces in splits(raw):
        stream = generation.stream(ASKED)

        with pytest.raises(error):
            [*map(stream.feed, pieces), stream.flush()]
