from __future__ import annotations

import pytest

from tests.audio.media import make, tone


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a WAV file of two seconds; the engines are scripted, but the file has to decode."""
    return make("wav", tone(2.0), 16_000, 1, tmp_path_factory.mktemp("speech") / "a.wav").read_bytes()
