"""Fairness: one caller takes all the resources it can get, and others are still served."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from tests.audio import media
from tests.running import RunningServer, running_server

SENTENCES = (Sentence(text="It was the best of times.", begin_ms=100, end_ms=900),)
GREEDY, OTHER = "sk-greedy-key", "sk-other-key"
KEYS: dict[str, Any] = {"api_keys": (GREEDY, OTHER)}
PASSED: dict[str, Any] = {"pass_key": True}
SPACE = 1 << 20


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return media.make("wav", media.tone(1.0), 16000, 1, tmp_path_factory.mktemp("speech") / "a.wav").read_bytes()


class Caller:
    """Starts uploads and leaves them unfinished."""

    def __init__(self, server: RunningServer, stack: contextlib.ExitStack) -> None:
        self._place = urlsplit(server.base_url)
        self._stack = stack

    def upload(self, length: str, key: str = GREEDY) -> socket.socket:
        connection = self._stack.enter_context(
            socket.create_connection((self._place.hostname or "", self._place.port or 0), timeout=20)
        )
        connection.sendall(
            f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: {self._place.netloc}\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\n{length}\r\n\r\n".encode()
        )
        return connection


@pytest.fixture
def caller() -> Iterator[Callable[[RunningServer], Caller]]:
    with contextlib.ExitStack() as stack:
        yield lambda server: Caller(server, stack)


def text(server: RunningServer, key: str, speech: bytes) -> str:
    return server.client(key).audio.transcriptions.create(model="whisper-1", file=("a.wav", speech)).text


def status(connection: socket.socket) -> int:
    return int(connection.recv(64).split()[1])


LENGTHS = ["Transfer-Encoding: chunked", f"Content-Length: {1 << 30}"]


@pytest.mark.parametrize("length", LENGTHS, ids=["chunked", "declared"])
@pytest.mark.parametrize("settings", [KEYS, PASSED], ids=["keys", "passed"])
def test_a_key_with_many_open_uploads_leaves_room_for_others(
    caller: Callable[[RunningServer], Caller], speech: bytes, settings: dict[str, Any], length: str
) -> None:
    with running_server(Scripted(SENTENCES), max_requests=8, max_spool=8 << 30, **settings) as server:
        greedy = caller(server)
        uploads = [greedy.upload(length) for _ in range(4)]
        refused = [status(greedy.upload(length)) for _ in range(4)]
        served = [text(server, OTHER, speech) for _ in range(3)]
        for upload in uploads:
            upload.close()
        with contextlib.suppress(openai.InternalServerError):  # until the server notices the disconnects
            while text(server, GREEDY, speech) != SENTENCES[0].text:
                pass

    assert ([503] * 4, [SENTENCES[0].text] * 3) == (refused, served)


def test_invented_keys_leave_room_for_one_that_the_service_accepts(
    caller: Callable[[RunningServer], Caller], speech: bytes
) -> None:
    with running_server(Scripted(SENTENCES), keys=frozenset({OTHER}), max_requests=8, pass_key=True) as server:
        assert SENTENCES[0].text == text(server, OTHER, speech)
        for number in range(8):
            with pytest.raises(openai.AuthenticationError):
                text(server, f"made-up-{number}", speech)
        strangers = caller(server)
        uploads = [strangers.upload(LENGTHS[0], f"made-up-{number}") for number in range(6)]
        refused = status(strangers.upload(LENGTHS[0], "made-up-7"))
        served = text(server, OTHER, speech)
        for upload in uploads:
            upload.close()

    assert (503, SENTENCES[0].text) == (refused, served)


def test_the_only_key_may_use_everything(caller: Callable[[RunningServer], Caller]) -> None:
    with running_server(Scripted(SENTENCES), max_requests=4, api_keys=(GREEDY,)) as server:
        greedy = caller(server)
        uploads = [greedy.upload(LENGTHS[0]) for _ in range(4)]

        assert 503 == status(greedy.upload(LENGTHS[0]))
        for upload in uploads:
            upload.sendall(b"5\r\n-----\r\n0\r\n\r\n")  # an invalid form, but the request was admitted
            assert 400 == status(upload)


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_files_on_disk_stay_below_max_spool(
    caller: Callable[[RunningServer], Caller], speech: bytes, tmp_path: Path
) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    with running_server(Scripted(SENTENCES), spool=tmp_path, max_spool=SPACE, **KEYS) as server:
        greedy = caller(server)
        uploads = [greedy.upload(LENGTHS[0]) for _ in range(5)]
        for block in [head, *[bytes(64 << 10)] * 9]:
            for upload in uploads:
                with contextlib.suppress(OSError):  # it was refused
                    upload.sendall(f"{len(block):x}\r\n".encode() + block + b"\r\n")
            assert size(tmp_path) <= SPACE
            assert SENTENCES[0].text == text(server, OTHER, speech)
        answers = {status(upload) for upload in uploads}
        while size(tmp_path):
            assert SENTENCES[0].text == text(server, OTHER, speech)

        assert SENTENCES[0].text == text(server, GREEDY, speech)
    assert {503} == answers


def test_live_sessions_are_shared_fairly() -> None:
    def session(key: str) -> ClientConnection:
        return connect(url, additional_headers={"Authorization": f"Bearer {key}"})

    with running_server(Scripted(SENTENCES), max_sessions=4, **KEYS) as server, contextlib.ExitStack() as stack:
        url = f"{server.base_url.replace('http', 'ws')}/realtime"
        for _ in range(2):
            stack.enter_context(session(GREEDY)).recv()
        with pytest.raises(InvalidStatus) as refused:
            session(GREEDY)
        stack.enter_context(session(OTHER)).recv()

    assert 503 == refused.value.response.status_code


def test_memory_for_live_audio_is_shared_fairly() -> None:
    """One key sends minutes of audio in a turn that never ends; another key commits a turn."""
    manual_turns = {
        "type": "session.update",
        "session": {"type": "transcription", "audio": {"input": {"turn_detection": None}}},
    }
    minute = {"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(60 * 48_000)).decode()}

    def session(key: str) -> ClientConnection:
        opened = connect(url, additional_headers={"Authorization": f"Bearer {key}"})
        stack.enter_context(opened)
        for event in (manual_turns, minute):
            opened.send(json.dumps(event))
        return opened

    with (
        running_server(Scripted(SENTENCES), max_live_memory=12 << 20, **KEYS) as server,
        contextlib.ExitStack() as stack,
    ):
        url = f"{server.base_url.replace('http', 'ws')}/realtime"
        greedy = session(GREEDY)
        with contextlib.suppress(ConnectionClosed):
            while True:
                greedy.send(json.dumps(minute))
        other = session(OTHER)
        other.send(json.dumps({"type": "input_audio_buffer.commit"}))
        while "transcription.completed" not in (event := other.recv()):
            pass

    assert 1013 == greedy.close_code
    assert '"seconds":60.0' in str(event)


def test_memory_for_an_unfinished_live_message_is_the_share_of_its_key() -> None:
    head = b"\x81\xff" + (10 << 20).to_bytes(8) + bytes(4)  # of a masked text frame (RFC 6455, 5.2)
    with running_server(Scripted(SENTENCES), max_live_memory=12 << 20, **KEYS) as server:
        url = f"{server.base_url.replace('http', 'ws')}/realtime"
        with connect(url, additional_headers={"Authorization": f"Bearer {GREEDY}"}) as greedy:
            greedy.recv()
            with contextlib.suppress(OSError):  # it was refused
                greedy.socket.sendall(head + bytes(7 << 20))
            with pytest.raises(ConnectionClosed):
                greedy.recv(timeout=20)

    assert 1013 == greedy.close_code


def test_jobs_are_shared_fairly(speech: bytes) -> None:
    over = threading.Event()

    def place(key: str, number: int) -> int:
        sound = {"file": ("a.wav", speech + bytes(2 * number))}
        head, form = {"Authorization": f"Bearer {key}"}, {"model": "whisper-1", "background": "true"}
        url = f"{server.base_url}/audio/transcriptions"
        return httpx2.post(url, headers=head, data=form, files=sound, timeout=20).status_code

    with running_server(Scripted(SENTENCES, before=lambda _: over.wait(60)), max_jobs=4, **KEYS) as server:
        placed = [place(GREEDY, number) for number in range(4)] + [place(OTHER, number) for number in range(2)]
        over.set()

    assert [202, 202, 503, 503, 202, 503] == placed
