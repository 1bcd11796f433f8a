from __future__ import annotations

import pytest

from tests.audio.media import make


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a WAV file with three seconds of faint noise; the engines are scripted, but the file has to decode."""
    return make("wav", bytes(range(256)) * 375, 16_000, 1, tmp_path_factory.mktemp("speech") / "a.wav").read_bytes()
