"""Ambiguities in DashScope's documentation: the result is the same under every reading."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from compat.emulator.engines.tones import VOCABULARY, Tones, encode, lay
from compat.emulator.readings import Readings
from tests.audio.media import make, silence
from tests.running import running_server

WORDS = VOCABULARY[:8]
READINGS = [
    ({"annotations": False, "seconds": False}, "whisper-1"),
    ({"silence_content_empty_list": False}, "qwen3-asr-flash-us"),
    ({"finish_reason_string": False}, "qwen3-asr-flash-us"),
    ({"status_line": "field"}, "qwen3-asr-flash-us"),
    ({"status_line": "absent"}, "qwen3-asr-flash-us"),
    ({"refusal_in_stream": True}, "qwen3-asr-flash-us"),
    ({"audio3_shape": "output"}, "qwen-audio-3.1-asr-flash"),
    ({"audio3_shape": "nested"}, "qwen-audio-3.1-asr-flash"),
    ({"audio3_shape": "top"}, "qwen-audio-3.1-asr-flash"),
    ({"audio3_files": "nested"}, "qwen-audio-3.1-asr-flash-filetrans"),
    ({"audio3_files": "list"}, "qwen-audio-3.1-asr-flash-filetrans"),
    ({"audio3_files": "single"}, "qwen-audio-3.1-asr-flash-filetrans"),
    ({"silence_task": "no_words"}, "qwen3-asr-flash-filetrans"),
    ({"silence_task": "empty"}, "fun-asr"),
    ({"silence_task": "no_fragment"}, "fun-asr"),
    ({"task_times_utc": True}, "qwen3-asr-flash-filetrans"),
]


@pytest.mark.parametrize(("reading", "model"), READINGS)
def test_words_and_silence_are_transcribed_under_every_reading(
    reading: dict[str, object], model: str, tmp_path: Path
) -> None:
    spoken = make("wav", encode(lay(WORDS)), 16000, 1, tmp_path / "words.wav")
    silent = make("wav", silence(2.0), 16000, 1, tmp_path / "silence.wav")
    region = "us" if model.endswith("-us") else None
    with running_server(Tones(), readings=msgspec.convert(reading, Readings), region=region) as server:
        create = server.client().audio.transcriptions.create

        text = create(model=model, file=spoken).text
        streamed = list(create(model=model, file=spoken, stream=True))
        nothing = create(model=model, file=silent).text

    done = streamed[-1]
    assert "transcript.text.done" == done.type
    assert list(WORDS) == text.lower().strip(".").split() == done.text.lower().strip(".").split()
    assert "" == nothing
