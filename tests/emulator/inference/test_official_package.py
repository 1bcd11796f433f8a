"""The witness: the official `dashscope` package's speech recognition, both generations, unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dashscope
import pytest
from dashscope.audio.asr import Recognition, RecognitionCallback, RecognitionResult

from compat.emulator.engines.tones import Tones
from compat.emulator.faults import Faults, Hang, Rule
from tests.emulator.inference.dialogue import AUDIO, MODEL, pieces
from tests.emulator.laptop import Laptop, Start

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dashscope.*"),
    pytest.mark.filterwarnings("ignore:dashscope 2.0 audio API is a preview:FutureWarning"),
]

LATENCY = Hang(0.3)
"""Of a network. Without any, start() of the classic class may end its own input."""


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy for the loopback, and no settings of whoever runs this."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("DASHSCOPE_WORKSPACE", "DASHSCOPE_REGION", "DASHSCOPE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def address(laptop: Laptop) -> str:
    return f"ws{laptop.url.removeprefix('http')}/api-ws/v1/inference"


@pytest.fixture
def laptop(start: Start, monkeypatch: pytest.MonkeyPatch) -> Laptop:
    laptop = start(engine=Tones(), faults=Faults((Rule("inference", LATENCY, times=None),)))
    monkeypatch.setattr(dashscope, "base_websocket_api_url", address(laptop))
    monkeypatch.setattr(dashscope, "api_key", "sk-test")
    return laptop


class Callback(RecognitionCallback):
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.texts: list[str] = []

    def on_open(self) -> None:
        self.calls.append("open")

    def on_complete(self) -> None:
        self.calls.append("complete")

    def on_error(self, result: RecognitionResult) -> None:
        self.calls.append(f"error {result.code}: {result.message}")

    def on_close(self) -> None:
        self.calls.append("close")

    def on_event(self, result: RecognitionResult) -> None:
        sentence: Any = result.get_sentence()
        if RecognitionResult.is_sentence_end(sentence):
            self.texts.append(sentence["text"])


def test_the_classic_class_with_a_file(laptop: Laptop, tmp_path: Path) -> None:
    path = tmp_path / "speech.pcm"
    path.write_bytes(AUDIO)

    result = Recognition(model=MODEL, callback=RecognitionCallback(), format="pcm", sample_rate=16000).call(str(path))

    assert result.status_code == 200
    sentences: Any = result.get_sentence()
    assert ["amber basil", "cedar"] == [sentence["text"] for sentence in sentences]
    assert laptop.emulator.live.sessions[0].tasks == 1


@pytest.mark.usefixtures("laptop")
def test_the_classic_class_with_frames() -> None:
    callback = Callback()
    recognition: Any = Recognition(model=MODEL, callback=callback, format="pcm", sample_rate=16000)
    recognition.start()
    for piece in pieces(AUDIO):
        recognition.send_audio_frame(piece)
    recognition.stop()

    assert ["open", "complete", "close"] == callback.calls
    assert ["amber basil", "cedar"] == callback.texts
