"""Speech recognition with the official `dashscope` package, unmodified, in both generations."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dashscope
import pytest
from dashscope import Client
from dashscope.audio.asr import Recognition, RecognitionCallback, RecognitionResult
from dashscope.v2.errors import DashScopeError
from dashscope.v2.transport.ws_connection import WsConnection

from compat.emulator.engines.tones import Tones
from compat.emulator.faults import Faults, Hang, Refuse, Rule
from tests.emulator.inference.dialogue import AUDIO, MODEL, finals, pieces
from tests.emulator.realtime.talk import Event
from tests.emulator.recordings import wav
from tests.emulator.running import RunningEmulator, Start
from tests.witnesses import installed

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dashscope.*"),
    pytest.mark.filterwarnings("ignore:dashscope 2.0 audio API is a preview:FutureWarning"),
    pytest.mark.usefixtures("direct"),
]

ROOT = Path(__file__).parent.parent.parent.parent
STREAMING = "qwen-audio-3.1-asr-flash-streaming"
CONTEXT = [{"role": "user", "content": [{"type": "input_text", "text": "Who?"}]}]
LATENCY = Hang(0.5)
"""Network latency. Without any, `start()` of the classic class may end its own input: its thread finds that recognition
is not running yet."""


def address(service: RunningEmulator) -> str:
    return f"ws{service.url.removeprefix('http')}/api-ws/v1/inference"


@pytest.fixture
def service(start: Start, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    service = start(engine=Tones())
    monkeypatch.setattr(dashscope, "base_websocket_api_url", address(service))
    monkeypatch.setattr(dashscope, "api_key", "sk-test")
    return service


@pytest.fixture
def distant(service: RunningEmulator) -> RunningEmulator:
    service.emulator.faults.arm(Faults((Rule("inference", LATENCY, times=None),)))
    return service


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


def test_the_classic_class_transcribes_a_file(service: RunningEmulator, tmp_path: Path) -> None:
    path = tmp_path / "speech.pcm"
    path.write_bytes(AUDIO)

    result = Recognition(model=MODEL, callback=RecognitionCallback(), format="pcm", sample_rate=16000).call(str(path))

    assert result.status_code == 200
    sentences: Any = result.get_sentence()
    assert ["amber basil", "cedar"] == [sentence["text"] for sentence in sentences]
    assert service.emulator.live.sessions[0].tasks == 1


@pytest.mark.usefixtures("distant")
def test_the_classic_class_transcribes_frames() -> None:
    callback = Callback()
    recognition: Any = Recognition(model=MODEL, callback=callback, format="pcm", sample_rate=16000)
    recognition.start()
    for piece in pieces(AUDIO):
        recognition.send_audio_frame(piece)
    recognition.stop()

    assert ["open", "complete", "close"] == callback.calls
    assert ["amber basil", "cedar"] == callback.texts


@pytest.mark.usefixtures("distant")
def test_the_classic_class_reports_a_failure() -> None:
    callback = Callback()
    recognition: Any = Recognition(model="qwen9", callback=callback, format="pcm", sample_rate=16000)
    recognition.start()
    recognition.stop()

    assert "error ModelNotFound: Model can not be found." in callback.calls


def test_the_classic_class_changes_the_context(distant: RunningEmulator) -> None:
    recognition: Any = Recognition(model=MODEL, callback=Callback(), format="pcm", sample_rate=16000)
    recognition.start()
    recognition.send_audio_frame(AUDIO)
    recognition.update_context({"context": CONTEXT})
    recognition.stop()

    assert {"input": {"context": CONTEXT}}.items() <= distant.emulator.live.sessions[0].updates[1].items()


@pytest.mark.parametrize("fault", [Refuse(401, "InvalidApiKey"), Refuse(503, "ModelUnavailable")])
def test_the_classic_class_reports_a_refused_upgrade(service: RunningEmulator, fault: Refuse, tmp_path: Path) -> None:
    service.emulator.faults.arm(Faults((Rule("inference", fault),)))
    path = tmp_path / "speech.pcm"
    path.write_bytes(AUDIO)
    result = Recognition(model=MODEL, callback=RecognitionCallback(), format="pcm", sample_rate=16000).call(str(path))

    assert fault.status == result.status_code


@contextmanager
def new_client(service: RunningEmulator) -> Iterator[tuple[Client, WsConnection]]:
    client = Client(api_key="sk-test", base_url=service.url)
    connection = WsConnection(url=address(service), api_key="sk-test", timeout=60)
    try:
        yield client, connection
    finally:
        connection.close()


def texts(events: Iterable[Event]) -> list[str]:
    return finals(list(events))


def test_the_new_client_runs_five_tasks_on_one_socket(service: RunningEmulator) -> None:
    with new_client(service) as (client, connection):
        for _ in range(5):
            with client.audio.asr.recognize(model=STREAMING, connection=connection) as recognition:
                for piece in pieces(AUDIO):
                    recognition.send_audio_frame(piece)
                recognition.stop()
                assert ["amber basil", "cedar"] == texts(recognition.events())
                assert recognition.usage is not None
                assert recognition.usage["total_tokens"] > 100

    [record] = service.emulator.live.sessions
    assert (5, 10) == (record.tasks, record.items)


def test_the_new_client_sends_context_and_hot_words(service: RunningEmulator) -> None:
    recognition = Client(api_key="sk-test", base_url=service.url).audio.asr.recognize(
        model=STREAMING,
        parameters={"vocabulary": {"amber": 4}, "language_hints": ["en"]},
        input={"context": CONTEXT},
        ws_url=address(service),
    )
    with recognition:
        recognition.send_audio_frame(AUDIO)
        recognition.update_context({"context": CONTEXT})
        recognition.stop()
        results = [result.get_sentence() for result in recognition.results()]

    assert ["amber basil", "cedar"] == [one["text"] for one in results if one and one["sentence_end"]]
    assert "Who?" == service.emulator.requests[0].context


def test_the_new_client_transcribes_a_file(service: RunningEmulator, tmp_path: Path) -> None:
    path = wav(tmp_path / "speech.wav", AUDIO)
    asr = Client(api_key="sk-test", base_url=service.url).audio.asr
    events = asr.recognize_file(str(path), model=MODEL, format="wav", ws_url=address(service))

    assert ["amber basil", "cedar"] == texts(events)


def test_the_new_client_raises_for_a_failure(service: RunningEmulator) -> None:
    asr = Client(api_key="sk-test", base_url=service.url).audio.asr
    with pytest.raises(DashScopeError, match="Model can not be found"):
        asr.recognize(model="qwen9", ws_url=address(service)).start()


def test_the_first_generation_transcribes_a_file_and_frames(distant: RunningEmulator, tmp_path: Path) -> None:
    path = tmp_path / "speech.pcm"
    path.write_bytes(AUDIO)
    environment = ROOT / ".venv-openai1"
    package = next(environment.glob("lib/python*/site-packages/dashscope"), environment / "dashscope")
    installed(package, "the dashscope package 1.x", "run scripts/clients")
    done = subprocess.run(
        [environment / "bin" / "python", ROOT / "tests" / "clients" / "recognition.py", MODEL, path],
        env={**os.environ, "DASHSCOPE_WEBSOCKET_BASE_URL": address(distant), "DASHSCOPE_API_KEY": "sk-test"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    called, streamed = json.loads(done.stdout)
    assert ["amber basil", "cedar"] == called == streamed
