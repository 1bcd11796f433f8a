from __future__ import annotations

import json
from typing import Any

import pytest

from compat.dashscope_api import chat
from compat.dashscope_api.calls import File
from compat.errors import CompatError, ContentRefused, NotAuthenticated, RateLimited, ServiceFailed
from compat.transcript import Transcript, Usage
from tests.dashscope_api.support import MEDIA, answer, frames, json_of, request, splits

AUDIO = {"type": "input_audio", "input_audio": {"data": "data:audio/wav;base64,a.wav"}}
USER = {"role": "user", "content": [AUDIO]}
ANNOTATIONS = [{"type": "audio_info", "language": "zh", "emotion": "neutral"}]
USAGE = {
    "prompt_tokens": 42,
    "prompt_tokens_details": {"audio_tokens": 42, "text_tokens": 0},
    "completion_tokens": 12,
    "seconds": 1,
    "total_tokens": 54,
}


def test_a_minimal_request() -> None:
    call = chat.call(request(), stream=False)

    assert ("POST", "/compatible-mode/v1/chat/completions") == (call.method, call.url)
    assert json_of(call) == {"model": "qwen3-asr-flash", "stream": False, "messages": [USER]}
    assert call.body[1] == File(MEDIA.path, MEDIA.size, base64=True)
    assert call.repeatable


def test_a_streamed_request_with_all_options() -> None:
    asked = request(language="zh", context='";base64,"', options={"enable_itn": True})

    assert json_of(chat.call(asked, stream=True)) == {
        "model": "qwen3-asr-flash",
        "stream": True,
        "stream_options": {"include_usage": True},
        "asr_options": {"language": "zh", "enable_itn": True},
        "messages": [{"role": "system", "content": [{"type": "text", "text": '";base64,"'}]}, USER],
    }


def completion(message: dict[str, Any], finish_reason: str = "stop", **more: object) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": finish_reason, "message": message}
    return {"id": "chatcmpl-1", "choices": [choice], **more}


def transcript_of(
    text: str = "",
    usage: Usage | None = None,
    *,
    language: str | None = None,
    emotion: str | None = None,
    request_id: str = "chatcmpl-1",
    finish_reason: str | None = None,
) -> Transcript:
    return Transcript(
        text=text,
        language=language,
        emotion=emotion,
        duration=2.5,
        usage=usage or Usage(),
        model="qwen3-asr-flash",
        surface="chat",
        request_id=request_id,
        finish_reason=finish_reason,
    )


FULL = Usage(seconds=1.0, audio_tokens=42, text_tokens=0, output_tokens=12)
ANSWERS = {
    "documented": (
        completion({"role": "assistant", "content": "欢迎。", "annotations": ANNOTATIONS}, usage=USAGE),
        transcript_of("欢迎。", FULL, language="zh", emotion="neutral"),
    ),
    "content as a list": (completion({"content": [{"text": "a "}, {"text": "b"}]}), transcript_of("a b")),
    "silence": (completion({"content": ""}, request_id="r"), transcript_of(request_id="r")),
    "silence as null": (completion({"content": None, "annotations": None}), transcript_of()),
    "silence as an empty list": (completion({"content": [], "annotations": []}), transcript_of()),
    "an unfinished text": (completion({"content": "half"}, "length"), transcript_of("half", finish_reason="length")),
    "snapshot 2026-02-10": (
        completion({"content": "a"}, usage={"prompt_tokens": 30, "prompt_tokens_details": {"audio_tokens": 26}}),
        transcript_of("a", Usage(seconds=2.0, audio_tokens=26)),
    ),
}


@pytest.mark.parametrize(("body", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_a_response_becomes_a_transcript(body: dict[str, Any], expected: Transcript) -> None:
    assert expected == chat.transcript(request(), answer(body))


def test_the_requested_language_is_used_if_the_response_has_none() -> None:
    assert chat.transcript(request(language="yue"), answer(completion({"content": "a"}))).language == "yue"


def test_a_response_without_a_message_raises_service_failed() -> None:
    with pytest.raises(ServiceFailed):
        chat.transcript(request(), answer({"choices": []}))


def test_a_filtered_response_is_refused() -> None:
    with pytest.raises(ContentRefused):
        chat.transcript(request(), answer(completion({"content": ""}, "content_filter")))


def test_an_error_response_is_raised() -> None:
    with pytest.raises(RateLimited):
        chat.transcript(request(), answer({"error": {"code": "limit_requests", "message": "slow"}}, 429))


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "choices": [{"delta": delta, "finish_reason": finish_reason, "index": 0}],
        "usage": None,
    }


DOCUMENTED = [
    chunk({"content": "", "role": "assistant"}),
    chunk({"annotations": ANNOTATIONS, "content": "欢迎", "role": None}),
    chunk({"annotations": ANNOTATIONS, "content": "。", "role": None}),
    chunk({"role": None}, "stop"),
    {"id": "chatcmpl-1", "choices": [], "usage": USAGE},
]
STREAMS = {
    "documented": (
        frames(*DOCUMENTED),
        ["欢迎", "。"],
        transcript_of("欢迎。", FULL, language="zh", emotion="neutral"),
    ),
    "without [DONE]": (
        frames(*DOCUMENTED[:4], done=False),
        ["欢迎", "。"],
        transcript_of("欢迎。", language="zh", emotion="neutral"),
    ),
    "without a finish_reason": (frames(chunk({"content": "a"})), ["a"], transcript_of("a")),
    "an unfinished text": (
        frames(chunk({"content": "half"}), chunk({}, "length")),
        ["half"],
        transcript_of("half", finish_reason="length"),
    ),
    "a whole message": (json.dumps(completion({"content": "a b"})).encode(), ["a b"], transcript_of("a b")),
    "silence": (frames(chunk({"content": ""}), chunk({}, "stop")), [], transcript_of()),
}


@pytest.mark.parametrize(("raw", "deltas", "expected"), STREAMS.values(), ids=STREAMS)
def test_a_stream_yields_deltas_and_a_transcript(raw: bytes, deltas: list[str], expected: Transcript) -> None:
    for pieces in splits(raw):
        stream = chat.stream(request())

        received = [text for piece in pieces for text in stream.feed(piece)] + stream.flush()

        assert deltas == received
        assert expected == stream.transcript()


def test_a_delta_is_emitted_with_its_chunk() -> None:
    assert chat.stream(request()).feed(frames(DOCUMENTED[1], done=False)) == ["欢迎"]


CUTS: dict[str, tuple[bytes, type[CompatError]]] = {
    "cut": (frames(*DOCUMENTED[:3], done=False), ServiceFailed),
    "empty": (b"", ServiceFailed),
    "a page": (b"<html></html>", ServiceFailed),
    "nonsense": (b"data: {\n\n", ServiceFailed),
    "an error frame": (
        frames(DOCUMENTED[1], {"error": {"code": "limit_requests", "message": "slow"}}, done=False),
        RateLimited,
    ),
    "a native error frame": (b'event:error\ndata:{"code":"InvalidApiKey","message":"no"}\n\n', NotAuthenticated),
    "an error instead of a stream": (b'{"error":{"code":"invalid_api_key"}}', NotAuthenticated),
    "an object instead of a stream": (b'{"choices":[]}', ServiceFailed),
    "[DONE] alone": (b"data: [DONE]\n\n", ServiceFailed),
    "usage alone": (frames(DOCUMENTED[-1]), ServiceFailed),
}


@pytest.mark.parametrize(("raw", "error"), CUTS.values(), ids=CUTS)
def test_a_broken_stream_raises(raw: bytes, error: type[CompatError]) -> None:
    for pieces in splits(raw):
        stream = chat.stream(request())

        with pytest.raises(error):
            [*map(stream.feed, pieces), stream.flush()]
