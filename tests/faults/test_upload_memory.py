"""Uploads in memory: how much they take, when they are written to disk instead, and what is left of them."""

from __future__ import annotations

import contextlib
import gc
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from compat.dashscope_api.calls import Call, File
from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from compat.emulator.faults import Hang, Rule
from compat.transcript import Media
from compat.transcription.spool import SMALL
from tests.audio import media
from tests.faults.watch import figures, files, nothing_is_left
from tests.hangups import hang_up
from tests.polling import until
from tests.running import RunningServer, running_server

SENTENCES = (Sentence(text="It was the best of times.", begin_ms=100, end_ms=900),)
HEAD = (
    b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
)
CAP = 1 << 20


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files that are sent as they are, measured by FFmpeg first, and mixed to one channel first; and one of hours."""
    folder = tmp_path_factory.mktemp("sounds")
    tone = media.tone(1.0)
    return {
        "wav": media.make("wav", tone, 16000, 1, folder / "a.wav").read_bytes(),
        "ogg": media.make("ogg", tone, 16000, 1, folder / "a.ogg").read_bytes(),
        "stereo": media.make("wav", tone, 16000, 2, folder / "b.wav").read_bytes(),
        "large": media.make("wav", media.tone(SMALL / 32_000), 16000, 1, folder / "c.wav").read_bytes(),
    }


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(Scripted(SENTENCES), spool=tmp_path, max_upload_memory=CAP) as opened:
        yield opened


class SlowUpload:
    """A client that sends its form little by little."""

    def __init__(self, server: RunningServer, audio: bytes) -> None:
        place = urlsplit(server.base_url)
        body = HEAD + audio + b"\r\n--b--\r\n"
        self._left = memoryview(body)
        self._socket = socket.create_connection((place.hostname or "", place.port or 0), timeout=20)
        self._socket.sendall(
            f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: {place.netloc}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )

    def send(self, size: int | None = None) -> None:
        """Send the next bytes, or all that are left."""
        self._socket.sendall(self._left[:size])
        self._left = self._left[size:] if size else memoryview(b"")

    def answer(self) -> bytes:
        with self._socket:
            return self._socket.recv(1 << 16)

    def close(self) -> None:
        self._socket.close()


KINDS: list[tuple[str, dict[str, Any], int]] = [
    # sound, fields, files on disk while the service is asked
    ("wav", {}, 0),
    ("wav", {"stream": True}, 0),
    ("ogg", {}, 1),
    ("stereo", {}, 1),
    ("large", {}, 1),
    ("wav", {"model": "fun-asr"}, 1),
]


@pytest.mark.parametrize(("sound", "fields", "on_disk"), KINDS, ids=[f"{kind[0]} {kind[1]}" for kind in KINDS])
def test_an_upload_in_memory_leaves_no_file_even_if_the_server_is_killed(
    server: RunningServer, sounds: dict[str, bytes], tmp_path: Path, sound: str, fields: dict[str, Any], on_disk: int
) -> None:
    """A file that does not exist while the service works on it cannot be left behind."""
    before, found = figures(server.base_url), []
    server.fail(*(Rule(surface, Hang(), times=None) for surface in ("chat", "submit")))
    server.dashscope.counts.clear()

    def asked() -> None:
        until(lambda: server.dashscope.counts["chat"] + server.dashscope.counts["submit"] > 0)
        found.extend(files(tmp_path))
        memory = figures(server.base_url)["upload_memory_bytes"]
        assert (memory > 0) == (not on_disk)

    hang_up(server.base_url, asked, **{"model": "whisper-1", "file": ("a", sounds[sound]), **fields})

    assert on_disk == len(found)
    nothing_is_left(server.base_url, tmp_path, before, server.service)


def test_a_hang_up_in_the_middle_of_an_upload_frees_its_memory(
    server: RunningServer, sounds: dict[str, bytes], tmp_path: Path
) -> None:
    before = figures(server.base_url)
    upload = SlowUpload(server, sounds["wav"])
    upload.send(20_000)
    until(lambda: figures(server.base_url)["upload_memory_bytes"] > 10_000)
    assert not files(tmp_path)

    upload.close()
    nothing_is_left(server.base_url, tmp_path, before)


def test_beyond_the_bound_slow_uploads_go_to_disk_and_none_is_refused(
    server: RunningServer, sounds: dict[str, bytes], tmp_path: Path
) -> None:
    before = figures(server.base_url)
    uploads = [SlowUpload(server, sounds["wav"] + bytes(300 << 10)) for _ in range(12)]
    for _ in range(10):
        for upload in uploads:
            upload.send(30_000)
        assert figures(server.base_url)["upload_memory_bytes"] <= CAP
    until(lambda: figures(server.base_url)["spool_bytes"] > 12 * 290_000)
    assert files(tmp_path)

    for upload in uploads:
        upload.send()
    assert all(b"200 OK" in upload.answer() for upload in uploads)
    nothing_is_left(server.base_url, tmp_path, before)


def test_audio_is_freed_without_the_garbage_collector(server: RunningServer, sounds: dict[str, bytes]) -> None:
    """A reference cycle would keep it in memory long after its bytes were given back."""
    transcribe = server.client().audio.transcriptions.create
    transcribe(model="whisper-1", file=("a.wav", sounds["wav"]))
    gc.collect()
    gc.disable()
    try:
        for stream in (False, True):
            answer = transcribe(model="whisper-1", file=("a.wav", sounds["wav"]), stream=stream)
            with contextlib.suppress(TypeError):
                list(answer)
        until(lambda: figures(server.base_url)["upload_memory_bytes"] == 0)
        held = [found for found in gc.get_objects() if isinstance(found, Media | File | Call)]
    finally:
        gc.enable()
    assert not [found for found in held if getattr(found, "audio", b"") or getattr(found, "body", ())]
