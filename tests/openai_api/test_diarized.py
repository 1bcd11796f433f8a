"""Speaker diarization, in objects that the official package accepts."""

from __future__ import annotations

import json

import msgspec
import pytest
from openai.types.audio import TranscriptionDiarized, TranscriptionTextSegmentEvent

from compat.openai_api import diarized, sse
from compat.openai_api.render import render
from compat.transcript import Ask, Segment, Transcript

ASK = Ask(model="gpt-4o-transcribe-diarize", response_format="diarized_json", stream=True)
SEGMENTS = (
    Segment(text="Do you hear me?", start=0.0, end=1.2, speaker="7"),
    Segment(text="Yes.", start=3.7, end=4.5, speaker="0"),
    Segment(text="Good.", start=4.6, end=5.0, speaker="7"),
)
SPOKEN = Transcript(text="Do you hear me? Yes. Good.", segments=SEGMENTS, duration=5.2, model="fun-asr")


def test_the_official_package_reads_diarized_json() -> None:
    body = render(SPOKEN, ASK)
    answer = TranscriptionDiarized.model_validate_json(body.body, strict=True)

    assert "application/json" == body.content_type
    assert ("transcribe", 5.2, SPOKEN.text) == (answer.task, answer.duration, answer.text)
    assert [("A", "Do you hear me?", 0.0, 1.2), ("B", "Yes.", 3.7, 4.5), ("A", "Good.", 4.6, 5.0)] == [
        (part.speaker, part.text, part.start, part.end) for part in answer.segments
    ]
    assert ["seg_001", "seg_002", "seg_003"] == [part.id for part in answer.segments]


@pytest.mark.parametrize(("number", "name"), [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (99, "CV")])
def test_speakers_are_named_by_letters(number: int, name: str) -> None:
    assert name == diarized.label(number)


def test_a_transcript_without_speakers_has_one_speaker() -> None:
    answer = json.loads(render(Transcript(text="Hello.", duration=1.0), ASK).body)

    assert [("A", "Hello.")] == [(part["speaker"], part["text"]) for part in answer["segments"]]


def test_segments_have_the_language_and_emotion_that_the_service_reports() -> None:
    parts = (msgspec.structs.replace(SEGMENTS[0], language="en", emotion="happy"), SEGMENTS[1])
    answer = json.loads(render(msgspec.structs.replace(SPOKEN, segments=parts), ASK).body)

    assert [("en", "happy"), (None, None)] == [
        (part.get("language"), part.get("emotion")) for part in answer["segments"]
    ]


def test_silence_has_no_segments() -> None:
    assert [] == json.loads(render(Transcript(text="", duration=1.0), ASK).body)["segments"]


CUTS = [
    (SPOKEN.text, ["Do you hear me? ", "Yes. ", "Good."]),
    ("- Do you hear me?\n- Yes.\n- Good.\n", ["- Do you hear me?\n- ", "Yes.\n- ", "Good.\n"]),
    ("Something else altogether.", ["", "", "Something else altogether."]),
]


@pytest.mark.parametrize(("text", "pieces"), CUTS)
def test_the_text_is_cut_at_the_segments_without_loss(text: str, pieces: list[str]) -> None:
    assert pieces == [piece for piece, _ in diarized.cut(text, diarized.segments(SPOKEN))]


def events(frames: list[bytes]) -> list[dict[str, object]]:
    return [json.loads(frame.removeprefix(b"data: ")) for frame in frames]


def test_a_stream_sends_each_segment_after_its_text() -> None:
    sent = events(sse.TextDeltas().flush(SPOKEN, ASK))

    assert [
        ("transcript.text.delta", "seg_001"),
        ("transcript.text.segment", None),
        ("transcript.text.delta", "seg_002"),
        ("transcript.text.segment", None),
        ("transcript.text.delta", "seg_003"),
        ("transcript.text.segment", None),
        ("transcript.text.done", None),
    ] == [(event["type"], event.get("segment_id")) for event in sent]
    assert SPOKEN.text == "".join(str(event.get("delta", "")) for event in sent) == sent[-1]["text"]
    assert "B" == TranscriptionTextSegmentEvent.model_validate(sent[3], strict=True).speaker


def test_segments_follow_the_whole_text_if_deltas_were_sent_before() -> None:
    stream = sse.TextDeltas()

    sent = events([*stream.feed("Do you hear"), *stream.flush(SPOKEN, ASK)])

    assert ["delta", "delta", "segment", "segment", "segment", "done"] == [
        str(event["type"]).rpartition(".")[2] for event in sent
    ]
    assert SPOKEN.text == sent[-1]["text"]
