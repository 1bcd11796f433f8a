from __future__ import annotations

from typing import Any

import msgspec
import pytest

from compat.dashscope_api import generation_audio
from compat.dashscope_api.calls import File
from compat.errors import BadAudio, CompatError, RateLimited, ServiceFailed
from compat.transcript import Segment, Transcript, Usage, Word
from tests.dashscope_api.support import MEDIA, answer, json_of, request, splits

MODEL = "qwen-audio-3.1-asr-flash"
ASKED = request("generation-audio", MODEL)


def test_a_minimal_request() -> None:
    call = generation_audio.call(ASKED, stream=False)

    assert call.url == "/api/v1/services/aigc/multimodal-generation/generation"
    assert call.body[1] == File(MEDIA.path, MEDIA.size, base64=True)
    assert "x-dashscope-sse" not in call.headers
    assert json_of(call) == {
        "model": MODEL,
        "parameters": {"format": "wav", "sample_rate": "16000"},
        "input": {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "input_audio", "input_audio": {"data": "data:audio/wav;base64,a.wav"}}],
                }
            ]
        },
    }


def test_a_streamed_request_with_all_options() -> None:
    asked = request("generation-audio", MODEL, language="en", options={"vocabulary_id": "v"})
    call = generation_audio.call(asked, stream=True)

    assert call.headers["x-dashscope-sse"] == "enable"
    parameters = {"format": "wav", "sample_rate": "16000", "language_hints": ["en"], "vocabulary_id": "v"}
    assert json_of(call) == {**json_of(generation_audio.call(ASKED, stream=False)), "parameters": parameters}


def test_context_precedes_the_audio() -> None:
    call = generation_audio.call(request("generation-audio", MODEL, context="Names: Ada."), stream=False)
    body: Any = json_of(call)

    context, audio = body["input"]["messages"]
    assert context == {"role": "user", "content": [{"type": "input_text", "text": "Names: Ada."}]}
    assert "input_audio" == audio["content"][0]["type"]
    assert call.body[1] == File(MEDIA.path, MEDIA.size, base64=True)


WORDS = [{"text": "Hi", "punctuation": ".", "begin_time": 0, "end_time": 400, "confidence": 0.9}]
ONE = {"begin_time": 0, "end_time": 500, "sentence_id": 1, "sentence_end": True, "channel_id": 0, "words": WORDS}
TWO = {"begin_time": 600, "end_time": 1000, "text": "Ho.", "speaker_id": 1}
HI = Segment(text="Hi.", start=0.0, end=0.5, words=(Word("Hi.", 0.0, 0.4, 0.9),))
HO = Segment(text="Ho.", start=0.6, end=1.0, speaker="1")


def transcript_of(text: str, *segments: Segment, usage: Usage | None = None, language: str | None = None) -> Transcript:
    return Transcript(
        text=text,
        segments=segments,
        language=language,
        duration=2.5,
        usage=usage or Usage(),
        model=MODEL,
        surface="generation-audio",
        request_id="r",
    )


BOTH = {"text": "Hi. Ho.", "sentence": TWO, "sentences": [ONE, TWO]}
USAGE = {"usage": {"duration": 2}}
ANSWERS: dict[str, tuple[dict[str, Any], Transcript]] = {
    "at the top": ({**BOTH, **USAGE}, transcript_of("Hi. Ho.", HI, HO, usage=Usage(seconds=2.0))),
    "in output": ({"output": BOTH, **USAGE}, transcript_of("Hi. Ho.", HI, HO, usage=Usage(seconds=2.0))),
    "in output.output": ({"output": {"output": BOTH}}, transcript_of("Hi. Ho.", HI, HO)),
    "one sentence": ({"output": {"text": "Hi.", "sentence": ONE}}, transcript_of("Hi.", HI)),
    "one sentence without words": (
        {"output": {"text": "Hi.", "sentence": {"begin_time": 0, "end_time": 500}}},
        transcript_of("Hi.", Segment(text="Hi.", start=0.0, end=0.5)),
    ),
    "sentences only": ({"output": {"sentences": [ONE, TWO]}}, transcript_of("Hi. Ho.", HI, HO)),
    "text only": ({"output": {"text": "Hi."}}, transcript_of("Hi.")),
    "tokens": (
        {"output": {"text": "Hi."}, "usage": {"seconds": 3, "input_tokens": 75, "output_tokens": 2}},
        transcript_of("Hi.", usage=Usage(seconds=3.0, audio_tokens=75, text_tokens=0, output_tokens=2)),
    ),
    "empty": ({"output": {"text": "", "sentences": []}}, transcript_of("")),
}


@pytest.mark.parametrize(("body", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_a_response_becomes_a_transcript(body: dict[str, Any], expected: Transcript) -> None:
    assert expected == generation_audio.transcript(ASKED, answer({"request_id": "r", **body}))


SILENCE = {"code": "ASR_RESPONSE_HAVE_NO_WORDS", "message": "no words", "request_id": "r"}


def test_silence_is_an_empty_transcript() -> None:
    assert transcript_of("") == generation_audio.transcript(ASKED, answer(SILENCE, 400))


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"code": "AUDIO_DURATION_TOO_LONG", "message": "long"}, 400, BadAudio),
        ({"code": "AUDIO_DURATION_TOO_LONG", "message": "long"}, 200, BadAudio),
        ({"output": {}}, 200, ServiceFailed),
        ({}, 200, ServiceFailed),
    ],
)
def test_a_response_without_a_transcript_raises(body: dict[str, Any], status: int, error: type[CompatError]) -> None:
    with pytest.raises(error):
        generation_audio.transcript(ASKED, answer(body, status))


def frames(*outputs: dict[str, Any], event: str = "result") -> bytes:
    bodies = [{"request_id": "r", **output} for output in outputs]
    return b"".join(
        f"id:{at}\nevent:{event}\n:HTTP_STATUS/200\ndata:".encode() + msgspec.json.encode(body) + b"\n\n"
        for at, body in enumerate(bodies, 1)
    )


FIRST = {"output": {"text": "Hi. Hop", "sentence": ONE}}
SECOND = {"output": {"text": "Hi. Ho", "sentence": ONE}}
LAST = {"output": BOTH, **USAGE}
STREAMS: dict[str, tuple[bytes, list[str], Transcript]] = {
    "short audio": (frames(LAST), ["Hi. Ho."], transcript_of("Hi. Ho.", HI, HO, usage=Usage(seconds=2.0))),
    "revised": (
        frames(FIRST, SECOND, LAST),
        ["Hi.", " Ho."],
        transcript_of("Hi. Ho.", HI, HO, usage=Usage(seconds=2.0)),
    ),
    "silence as a frame": (frames(SILENCE, event="error"), [], transcript_of("")),
    "silence instead of a stream": (msgspec.json.encode(SILENCE), [], transcript_of("")),
}


@pytest.mark.parametrize(("raw", "deltas", "expected"), STREAMS.values(), ids=STREAMS)
def test_a_stream_yields_settled_sentences(raw: bytes, deltas: list[str], expected: Transcript) -> None:
    for pieces in splits(raw):
        stream = generation_audio.SnapshotStream(ASKED)

        received = [text for piece in pieces for text in stream.feed(piece)] + stream.flush()

        assert deltas == received
        assert expected == stream.transcript()


BREAKS: dict[str, tuple[bytes, type[CompatError]]] = {
    "empty": (b"", ServiceFailed),
    "a page": (b"<html></html>", ServiceFailed),
    "nonsense": (b"data:[]\n\n", ServiceFailed),
    "an error frame": (frames(FIRST) + frames({"code": "Throttling", "message": "m"}, event="error"), RateLimited),
    "an error frame without a code": (frames({"message": "m"}, event="error"), ServiceFailed),
}


@pytest.mark.parametrize(("raw", "error"), BREAKS.values(), ids=BREAKS)
def test_a_broken_stream_raises(raw: bytes, error: type[CompatError]) -> None:
    for pieces in splits(raw):
        stream = generation_audio.SnapshotStream(ASKED)

        with pytest.raises(error):
            [*map(stream.feed, pieces), stream.flush()]
