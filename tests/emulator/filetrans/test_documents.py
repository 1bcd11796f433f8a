"""Result files in the three dialects: qwen3, fun-asr and paraformer, qwen-audio-3."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from compat.emulator.readings import Readings
from tests.emulator import recordings
from tests.emulator.filetrans.tasks import AUDIO3, FILETRANS, address
from tests.emulator.running import TEXT, Start, result, wav


def test_filetrans(start: Start) -> None:
    service = start(clock=lambda: 1_795_000_000.0)
    task = service.transcribe(FILETRANS)
    transcription_url = task["output"].pop("result")["transcription_url"]

    assert task["usage"] == {"seconds": 2}
    assert task["output"].pop("task_id")
    assert task["output"] == {
        "task_status": "SUCCEEDED",
        "submit_time": "2026-11-18 19:06:40.000",
        "scheduled_time": "2026-11-18 19:06:40.000",
        "end_time": "2026-11-18 19:06:40.000",
    }
    document = result(transcription_url)
    assert document.pop("file_url").startswith("oss://")
    assert document == {
        "audio_info": {"format": "wav", "sample_rate": 16000},
        "transcripts": [
            {
                "channel_id": 0,
                "text": TEXT,
                "sentences": [
                    {
                        "sentence_id": 0, "begin_time": 100, "end_time": 900, "language": "en", "emotion": "happy",
                        "text": "Hello there, old world.",
                    },
                    {
                        "sentence_id": 1, "begin_time": 1000, "end_time": 1500, "language": "en", "emotion": "neutral",
                        "text": "Good bye!",
                    },
                ],
            }
        ],
    }  # fmt: skip


def test_enable_words_adds_words_and_ends_sentences_at_punctuation(start: Start) -> None:
    task = start().transcribe(FILETRANS, enable_words=True, language="de")
    sentences = result(address(task))["transcripts"][0]["sentences"]

    assert [(sentence["text"], sentence["begin_time"], sentence["end_time"]) for sentence in sentences] == [
        ("Hello there,", 100, 500), ("old world.", 500, 900), ("Good bye!", 1000, 1500)
    ]  # fmt: skip
    assert [sentence["sentence_id"] for sentence in sentences] == [0, 1, 2]
    assert {sentence["language"] for sentence in sentences} == {"de"}
    assert sentences[0]["words"] == [
        {"begin_time": 100, "end_time": 300, "text": "Hello", "punctuation": ""},
        {"begin_time": 300, "end_time": 500, "text": "there", "punctuation": ","},
    ]


def test_fun_asr(start: Start) -> None:
    service = start()
    task = service.transcribe("fun-asr", diarization_enabled=True)
    output = task["output"]

    assert task["usage"] == {"duration": 2}
    assert output["task_metrics"] == {"TOTAL": 1, "SUCCEEDED": 1, "FAILED": 0}
    assert output["results"][0]["subtask_status"] == "SUCCEEDED"
    document = result(output["results"][0]["transcription_url"])
    assert document["properties"] == {
        "audio_format": "pcm_s16le", "channels": [0], "original_sampling_rate": 16000,
        "original_duration_in_milliseconds": 1500,
    }  # fmt: skip
    transcript = document["transcripts"][0]
    assert (transcript["text"], transcript["content_duration_in_milliseconds"]) == (TEXT, 1300)
    assert [(one["sentence_id"], one["speaker_id"]) for one in transcript["sentences"]] == [(1, 0), (2, 1)]
    assert [word["text"] for word in transcript["sentences"][0]["words"]] == ["Hello ", "there", "old ", "world"]
    assert not {"emotion", "language"} & set(transcript["sentences"][0])


@pytest.mark.parametrize(
    ("name", "encoder", "shown"),
    [("a.mp3", "libmp3lame", "mp3"), ("a.ogg", "libopus", "opus"), ("a.m4a", "aac", "aac")],
)
def test_the_audio_format_is_a_codec(start: Start, tmp_path: Path, name: str, encoder: str, shown: str) -> None:
    source = recordings.wav(tmp_path / "source.wav", bytes(96_000))
    sound = recordings.encoded(source, tmp_path / name, encoder).read_bytes()
    task = start().transcribe("fun-asr", sound)

    assert shown == result(address(task))["properties"]["audio_format"]


def test_speakers_are_returned_on_request_only(start: Start) -> None:
    sentences = result(address(start().transcribe("fun-asr")))["transcripts"][0]["sentences"]

    assert all("speaker_id" not in sentence for sentence in sentences)


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("aligned", [False, True])
def test_paraformer_returns_times_on_request_or_by_a_reading(start: Start, aligned: bool, always: bool) -> None:
    service = start(readings=Readings(paraformer_always_timed=always))
    task = service.transcribe("paraformer-v2", timestamp_alignment_enabled=aligned)
    first, second = result(address(task))["transcripts"][0]["sentences"]

    assert (first["end_time"], second["begin_time"], "words" in first) == (
        (900, 1000, True) if aligned or always else (0, 0, False)
    )


@pytest.mark.parametrize(("shape", "member"), [("list", "results"), ("single", "result"), ("nested", "output")])
def test_the_results_of_audio3_have_three_shapes(
    start: Start, shape: Literal["list", "single", "nested"], member: str
) -> None:
    task = start(readings=Readings(audio3_files=shape)).transcribe(AUDIO3)
    words = result(address(task))["transcripts"][0]["sentences"][0]["words"]

    assert {member} == task["output"].keys() & {"results", "result", "output"}
    assert words[0]["confidence"] == 0.95


def test_each_channel_has_its_own_transcript(start: Start) -> None:
    task = start().transcribe(FILETRANS, wav(channels=2), channel_id=[0, 1])

    assert task["usage"] == {"seconds": 4}
    assert [one["channel_id"] for one in result(address(task))["transcripts"]] == [0, 1]
