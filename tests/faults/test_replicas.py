"""Three servers with Redis behind nginx, configured as in deploy/: one server is stopped and one is killed."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import openai
import pytest
import stamina
from openai.types.realtime import RealtimeTranscriptionSessionCreateRequestParam
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from compat.emulator.app import create_app as create_emulator
from compat.emulator.engine import Hypothesis, Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Faults, Rule, Slow
from tests.audio import media
from tests.counts import Clocked
from tests.endpoints.live import SPEECH
from tests.processes import Server, server_process
from tests.servers import serve
from tests.witnesses import free_port, program, redis_server

SENTENCES = (Sentence(text="It was the best of times.", begin_ms=100, end_ms=1500),)
CONFIGURATION = Path(__file__).parent.parent.parent / "deploy" / "nginx.conf"
CALLERS = 6
RATE = 4  # calls per second to the model RATED, for all servers together
RATED = "fun-asr-flash-2026-06-15"
RATES = f"{RATED}={RATE}/second"
MANUAL = RealtimeTranscriptionSessionCreateRequestParam(type="transcription", audio={"input": {"turn_detection": None}})


@contextlib.contextmanager
def nginx(folder: Path, servers: Sequence[Server]) -> Iterator[str]:
    """Start nginx in front of the servers and yield its base URL for OpenAI's SDK."""
    path, port = program("nginx", "apt-get install nginx"), free_port()
    addresses = [one.base_url.removeprefix("http://").removesuffix("/v1") for one in servers]
    text = CONFIGURATION.read_text().replace("listen 80;", f"listen 127.0.0.1:{port};")
    for place, address in enumerate(addresses, 1):
        text = text.replace(f"asr-{place}:8000", address)
    own = "".join(
        f"  {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("http {\n", f"http {{\n  access_log off;\n{own}")
    assert not re.search(r"asr-\d", text)
    (configuration := folder / "nginx.conf").write_text(f"daemon off;\nuser root;\npid {folder}/pid;\n{text}")
    command = [path, "-c", str(configuration), "-p", str(folder), "-e", str(folder / "errors")]
    with subprocess.Popen(command) as process:
        try:
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


class Load:
    """Callers that send requests in a loop."""

    def __init__(self, base_url: str, speech: bytes) -> None:
        self.answers: list[str] = []
        self._base_url = base_url
        self._speech = speech

    def during(self, event: Callable[[], object], *, retries: int) -> list[str]:
        """Return the texts and errors that the callers got before, during and after `event`."""
        over, began = threading.Event(), threading.Semaphore(0)
        results: list[str] = []

        def ask() -> None:
            with openai.OpenAI(base_url=self._base_url, api_key="any", max_retries=retries) as client:
                last = False
                while not last:
                    last = over.is_set()
                    try:
                        file = ("a.wav", self._speech)
                        results.append(client.audio.transcriptions.create(model="whisper-1", file=file).text)
                    except openai.OpenAIError as exc:
                        results.append(repr(exc))
                    began.release()

        callers = [threading.Thread(target=ask) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        for _ in range(2 * CALLERS):
            began.acquire()
        event()
        for _ in range(2 * CALLERS):
            began.acquire()
        over.set()
        for caller in callers:
            caller.join()
        return results


def burst(base_url: str, speech: bytes) -> list[str]:
    """Send four seconds' worth of calls at once and return their texts. None may be refused."""

    def ask(_: int) -> str:
        with openai.OpenAI(base_url=base_url, api_key="any", max_retries=0) as client:
            return client.audio.transcriptions.create(model=RATED, file=("a.wav", speech)).text

    with ThreadPoolExecutor(4 * RATE) as threads:
        return list(threads.map(ask, range(4 * RATE)))


def background(at: Server, speech: bytes, language: str) -> str:
    data = {"model": "qwen3-asr-flash-filetrans", "background": "true", "language": language}
    answer = httpx2.post(f"{at.base_url}/audio/transcriptions", data=data, files={"file": ("a.wav", speech)})
    job_id: str = answer.json()["id"]
    return job_id


def outcome(base_url: str, job_id: str) -> str:
    """Poll the job until it has ended, and return its text."""
    for attempt in stamina.retry_context(on=AssertionError, attempts=300, timeout=40, wait_max=0.2):
        with attempt:
            answer = httpx2.get(f"{base_url}/audio/transcriptions/{job_id}")
            assert 200 == answer.status_code
    text: str = answer.json()["text"]
    return text


@contextlib.contextmanager
def live(base_url: str, secret: str) -> Iterator[Connection]:
    address = f"{base_url.replace('http', 'ws', 1)}/realtime?intent=transcription"
    with connect(address, additional_headers={"Authorization": f"Bearer {secret}"}, proxy=None) as socket:
        yield socket


def turn(socket: Connection) -> str:
    audio = base64.b64encode(SPEECH).decode()
    socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
    socket.send(json.dumps({"type": "input_audio_buffer.commit"}))
    while not (event := json.loads(socket.recv(timeout=20)))["type"].endswith("transcription.completed"):
        pass
    transcript: str = event["transcript"]
    return transcript


def test_no_request_fails_if_one_server_stops_and_another_is_killed(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    speech = media.make("wav", media.tone(2.0), 16000, 1, tmp_path / "a.wav").read_bytes()
    emulator = create_emulator(Scripted(SENTENCES, hypotheses=[[Hypothesis("hello there")]]))
    service = Clocked(emulator)
    emulator.state.emulator.faults.arm(Faults((Rule("submit", Slow(seconds=4), times=None),)))
    with serve(service) as root, redis_server(tmp_path) as store, contextlib.ExitStack() as stack:
        shared = {"COMPAT_STORE": store, "COMPAT_SECRET": "the same on all replicas", "COMPAT_RATES": RATES}
        folders = [tmp_path_factory.mktemp("server") for _ in range(3)]
        stopped, killed, left = (stack.enter_context(server_process(folder, root, **shared)) for folder in folders)
        base_url = stack.enter_context(nginx(tmp_path, [stopped, killed, left]))
        with openai.OpenAI(base_url=base_url, api_key="any", max_retries=0) as client:
            for attempt in stamina.retry_context(on=openai.APIConnectionError, attempts=50, wait_max=0.1):
                with attempt:
                    client.models.list()
            secret = client.realtime.client_secrets.create(session=MANUAL).value
        load = Load(base_url, speech)

        job = background(stopped, speech, "de")

        def stop() -> None:
            stopped.process.send_signal(signal.SIGTERM)
            stopped.process.wait(timeout=20)

        assert {"It was the best of times."} == set(load.during(stop, retries=0))
        assert ["It was the best of times."] * 4 * RATE == burst(base_url, speech)
        # The first call may have been a second late.
        assert len(service.times) <= RATE * (service.times[-1] - service.times[0] + 2)
        assert "It was the best of times." == outcome(base_url, job)

        job = background(killed, speech, "fr")
        with contextlib.suppress(ConnectionClosed), live(killed.base_url, secret) as socket:
            assert "hello there" == turn(socket)
            assert {"It was the best of times."} == set(load.during(killed.kill, retries=2))
            while socket.recv(timeout=10):
                pass
        with live(base_url, secret) as socket:
            assert "hello there" == turn(socket)
        stack.enter_context(server_process(folders[1], root, **shared))  # restarted, as a supervisor does
        assert "It was the best of times." == outcome(base_url, job)

    assert 2 == emulator.state.emulator.counts["submit"]
