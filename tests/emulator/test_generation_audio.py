"""multimodal-generation for qwen-audio-3 and fun-asr-flash."""

from __future__ import annotations

from typing import Any

import pytest

from compat.emulator.readings import Readings
from compat.emulator.state import Limits
from tests.emulator.running import TEXT, Start, chunks, data_uri, wav

MODELS = ["qwen-audio-3.0-asr-flash", "qwen-audio-3.1-asr-flash", "fun-asr-flash-2026-06-15"]


@pytest.mark.parametrize("model", MODELS)
def test_a_plain_answer(start: Start, model: str) -> None:
    body = start().generate(model=model, format="wav", sample_rate="16000").json()
    output = body["output"]

    tokens = {"input_tokens": 81, "output_tokens": 6, "total_tokens": 87} if "3.1" in model else {}
    assert body["usage"] == {"duration": 2} | tokens
    assert output["text"] == TEXT
    assert output["sentence"] == output["sentences"][-1]
    assert output["sentences"][0] == {
        "begin_time": 100,
        "end_time": 900,
        "text": "Hello there, old world.",
        "sentence_id": 1,
        "sentence_end": True,
        "channel_id": 0,
        "words": [
            {"begin_time": 100, "end_time": 300, "text": "Hello ", "punctuation": ""},
            {"begin_time": 300, "end_time": 500, "text": "there", "punctuation": ","},
            {"begin_time": 500, "end_time": 700, "text": "old ", "punctuation": ""},
            {"begin_time": 700, "end_time": 900, "text": "world", "punctuation": "."},
        ],
    }


@pytest.mark.parametrize(("model", "speakers"), list(zip(MODELS, [[None, None], [0, 1], [None, None]], strict=True)))
def test_the_newest_model_distinguishes_speakers_on_request(
    start: Start, model: str, speakers: list[int | None]
) -> None:
    body = start().generate(model=model, format="wav", speaker_diarization_enabled=True).json()

    assert [sentence.get("speaker_id") for sentence in body["output"]["sentences"]] == speakers


@pytest.mark.parametrize("shape", ["output", "nested", "top"])
@pytest.mark.parametrize("sse", [False, True])
def test_the_result_is_in_one_of_three_places(start: Start, shape: Any, sse: bool) -> None:  # noqa: ANN401 - a Literal
    answer = start(readings=Readings(audio3_shape=shape)).generate(model=MODELS[1], format="wav", sse=sse)
    body = chunks(answer)[-1] if sse else answer.json()

    place = body if shape == "top" else body["output"]["output"] if shape == "nested" else body["output"]
    assert (place["text"], len(place["sentences"])) == (TEXT, 2)


def test_a_short_stream_is_one_frame(start: Start) -> None:
    answer = start().generate(model=MODELS[1], format="wav", sse=True)

    assert [body["output"]["text"] for body in chunks(answer)] == [TEXT]
    assert answer.text.startswith("id:1\nevent:result\n:HTTP_STATUS/200\ndata:")


def test_a_long_stream_is_cumulative_and_revised(start: Start) -> None:
    answer = start().generate(data_uri(wav(60)), model=MODELS[1], format="wav", sse=True)

    assert [(body["output"]["text"], body["output"]["sentence"]["sentence_end"]) for body in chunks(answer)] == [
        ("hello there, old world", False),
        ("Hello there, old world.", True),
        ("Hello there, old world. good bye", False),
        (TEXT, True),
        (TEXT, True),
    ]


@pytest.mark.parametrize("sse", [False, True])
def test_silence_is_refused(start: Start, sse: bool) -> None:
    answer = start([]).generate(model=MODELS[1], format="wav", sse=sse)
    body = chunks(answer)[0] if sse else answer.json()

    assert (answer.status_code, body["code"]) == (200 if sse else 400, "ASR_RESPONSE_HAVE_NO_WORDS")


@pytest.mark.parametrize(
    ("parameters", "sound", "code", "message"),
    [
        ({}, wav(), "InvalidParameter", "format is empty"),
        ({"format": "wav"}, wav(2.5), "AUDIO_DURATION_TOO_LONG", "too long"),
        ({"format": "wav"}, b"not a sound", "InvalidParameter", "illegal"),
    ],
)
def test_invalid_requests_are_refused(
    start: Start, parameters: dict[str, Any], sound: bytes, code: str, message: str
) -> None:
    service = start(limits=Limits(sync_seconds=2))
    answer = service.generate(data_uri(sound), model=MODELS[0], **parameters)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert message in answer.json()["message"]


@pytest.mark.parametrize(("model", "status"), list(zip(MODELS, [400, 200, 400], strict=True)))
def test_the_newest_takes_larger_data_uris(start: Start, model: str, status: int) -> None:
    service = start(limits=Limits(sync_bytes=10_000))

    assert service.generate(model=model, format="wav").status_code == status


def test_audio_in_the_other_family_s_format(start: Start) -> None:
    body = {
        "model": MODELS[0],
        "input": {"messages": [{"role": "user", "content": [{"audio": data_uri(wav())}]}]},
        "parameters": {"format": "wav"},
    }

    assert start().http.post("/api/v1/services/aigc/multimodal-generation/generation", json=body).status_code == 400


def text_message(role: str, kind: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": kind, "text": text}]}


AUDIO = {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": data_uri(wav())}}]}
CONTEXT = [text_message("user", "input_text", "Names: Ada."), text_message("assistant", "text", "Hello, Ada.")]


def test_context_is_sent_as_messages_before_the_audio(start: Start) -> None:
    service = start()
    body = {"model": MODELS[1], "input": {"messages": [*CONTEXT, AUDIO]}, "parameters": {"format": "wav"}}
    answer = service.http.post("/api/v1/services/aigc/multimodal-generation/generation", json=body)

    assert 200 == answer.status_code, answer.text
    assert "Names: Ada.\nHello, Ada." == service.emulator.requests[-1].context
