"""FFmpeg's libraries in the server's process: not before the first live session, and for files not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from websockets.sync.client import connect

from compat.emulator.app import create_app as create_emulator
from compat.emulator.engine import Sentence
from compat.emulator.engines.scripted import Scripted
from tests.audio.media import make, tone
from tests.polling import until
from tests.processes import server_process
from tests.servers import serve

SAID = (Sentence(text="It was the best of times.", begin_ms=100, end_ms=1500),)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ffmpeg_is_loaded_by_the_first_live_session(tmp_path: Path) -> None:
    file = make("wma", tone(2.0), 16_000, 1, tmp_path / "a.wma").read_bytes()
    with serve(create_emulator(Scripted(SAID))) as root, server_process(tmp_path, root) as server:

        def loaded() -> bool:
            return "libavfilter" in Path(f"/proc/{server.process.pid}/maps").read_text()

        with server.client() as client:
            assert SAID[0].text == client.audio.transcriptions.create(model="whisper-1", file=("a.wma", file)).text
        assert not loaded()
        assert "pylibsrtp" not in Path(f"/proc/{server.process.pid}/maps").read_text()  # nothing of calls

        address = server.base_url.replace("http", "ws", 1) + "/realtime?intent=transcription"
        with connect(address, additional_headers={"Authorization": "Bearer k"}):
            until(loaded)
