"""A running emulator on a real port, with requests to each of its surfaces."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypedDict, Unpack

import httpx2

from compat.emulator.app import create_app
from compat.emulator.engine import Engine, Sentence, Word
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Faults
from compat.emulator.readings import Readings
from compat.emulator.site import Site
from compat.emulator.state import Emulator, Limits
from compat.server.pings import Unanswering
from compat.server.websocket import WebSocketProtocol
from tests.servers import serve

CHAT = "/compatible-mode/v1/chat/completions"
GENERATION = "/api/v1/services/aigc/multimodal-generation/generation"
TRANSCRIPTION = "/api/v1/services/audio/asr/transcription"
RESOLVE = {"X-DashScope-OssResourceResolve": "enable"}
ASYNC = {"X-DashScope-Async": "enable"}
SSE = {"X-DashScope-SSE": "enable"}

HELLO = Sentence(
    text="Hello there, old world.",
    begin_ms=100,
    end_ms=900,
    words=(
        Word("Hello", 100, 300),
        Word("there", 300, 500, ","),
        Word("old", 500, 700),
        Word("world", 700, 900, "."),
    ),
    speaker=0,
    emotion="happy",
)
BYE = Sentence(text="Good bye!", begin_ms=1000, end_ms=1500, speaker=1)
SPOKEN = (HELLO, BYE)
TEXT = "Hello there, old world. Good bye!"


def wav(seconds: float = 1.5, *, channels: int = 1) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\0\0" * channels * round(16_000 * seconds))
    return buffer.getvalue()


def data_uri(sound: bytes, mime: str = "audio/wav") -> str:
    return f"data:{mime};base64,{base64.b64encode(sound).decode()}"


class RunningEmulator:
    """A running emulator: its URL, its state as `emulator`, and an HTTP client with one key."""

    def __init__(self, url: str, emulator: Emulator, http: httpx2.Client) -> None:
        self.url = url
        self.emulator = emulator
        self.http = http

    def chat(
        self,
        audio: str | None = None,
        *,
        model: str = "qwen3-asr-flash",
        headers: dict[str, str] | None = None,
        stream: bool = False,
        **more: object,
    ) -> httpx2.Response:
        part = {"type": "input_audio", "input_audio": {"data": data_uri(wav()) if audio is None else audio}}
        body = {"model": model, "messages": [{"role": "user", "content": [part]}], "stream": stream, **more}
        return self.http.post(CHAT, json=body, headers=headers)

    def generate(
        self, audio: str | None = None, *, model: str = "qwen3-asr-flash", sse: bool = False, **parameters: object
    ) -> httpx2.Response:
        given = data_uri(wav()) if audio is None else audio
        three = not model.startswith("qwen3-")
        part = {"type": "input_audio", "input_audio": {"data": given}} if three else {"audio": given}
        body = {"model": model, "input": {"messages": [{"role": "user", "content": [part]}]}, "parameters": parameters}
        return self.http.post(GENERATION, json=body, headers=SSE if sse else {})

    def upload(self, sound: bytes, *, model: str, name: str = "a.wav") -> str:
        """Upload a file, and return its `oss://` address."""
        policy = self.http.get("/api/v1/uploads", params={"action": "getPolicy", "model": model}).json()["data"]
        stored = self.post_form(policy, sound, name=name)
        assert (stored.status_code, stored.content) == (200, b"")
        return f"oss://{policy['upload_dir']}/{name}"

    def post_form(
        self, policy: dict[str, Any], sound: bytes, other: dict[str, str] | None = None, *, name: str = "a.wav"
    ) -> httpx2.Response:
        """Post the documented form, with the fields in `other` replaced or added."""
        fields = {
            "OSSAccessKeyId": policy["oss_access_key_id"],
            "Signature": policy["signature"],
            "policy": policy["policy"],
            "x-oss-object-acl": policy["x_oss_object_acl"],
            "x-oss-forbid-overwrite": policy["x_oss_forbid_overwrite"],
            "key": f"{policy['upload_dir']}/{name}",
            "success_action_status": "200",
            **(other or {}),
        }
        with httpx2.Client(trust_env=False) as store:  # without the key
            return store.post(policy["upload_host"], data=fields, files={"file": (name, sound)})

    def submit(
        self, model: str, given: dict[str, Any], resolve: bool = True, /, **parameters: object
    ) -> httpx2.Response:
        headers = ASYNC | (RESOLVE if resolve else {})
        body = {"model": model, "input": given, "parameters": parameters}
        return self.http.post(TRANSCRIPTION, json=body, headers=headers)

    def query(self, task_id: str) -> dict[str, Any]:
        body: dict[str, Any] = self.http.get(f"/api/v1/tasks/{task_id}").json()
        return body

    def finished(self, task_id: str) -> dict[str, Any]:
        """Query a task until it has ended, and return the last response."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            body = self.query(task_id)
            if body["output"]["task_status"] not in {"PENDING", "RUNNING"}:
                return body
        raise AssertionError("the task did not end")

    def transcribe(self, model: str, sound: bytes | None = None, **parameters: object) -> dict[str, Any]:
        """Transcribe a file with a task, and return the response to the last query."""
        url = self.upload(wav() if sound is None else sound, model=model)
        given = {"file_url": url} if model.startswith("qwen3-") else {"file_urls": [url]}
        return self.finished(self.submit(model, given, True, **parameters).json()["output"]["task_id"])


class Settings(TypedDict, total=False):
    engine: Engine
    faults: Faults
    readings: Readings
    limits: Limits
    keys: frozenset[str] | None
    clock: Callable[[], float]
    site: Site


class Start(Protocol):
    def __call__(self, *turns: Sequence[Sentence], **settings: Unpack[Settings]) -> RunningEmulator: ...


@contextlib.contextmanager
def started(*turns: Sequence[Sentence], **settings: Unpack[Settings]) -> Iterator[RunningEmulator]:
    """Run an emulator whose engine returns `turns`, by default SPOKEN each time. `engine` replaces that engine."""
    scripted: Settings = {"engine": Scripted(*(turns or (SPOKEN,)))}
    app = create_app(**(scripted | settings))
    headers = {"authorization": "Bearer sk-test"}
    ws = WebSocketProtocol if app.state.emulator.readings.pongs else Unanswering
    with serve(app, ws=ws) as url, httpx2.Client(base_url=url, headers=headers, timeout=20, trust_env=False) as http:
        yield RunningEmulator(url, app.state.emulator, http)


def chunks(answer: httpx2.Response) -> list[dict[str, Any]]:
    """Return the JSON of an event stream, in either framing, without [DONE]."""
    lines = [line.removeprefix("data:").strip() for line in answer.text.splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def result(address: str) -> dict[str, Any]:
    """Return a result file, fetched without the key."""
    with httpx2.Client(trust_env=False) as http:
        body: dict[str, Any] = http.get(address).raise_for_status().json()
    return body


def write(path: Path, sound: bytes) -> Path:
    path.write_bytes(sound)
    return path
