"""Engines by name. Their libraries are loaded at the first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from compat.emulator.engine import Hypothesis, Unusable
from compat.emulator.engines import NAMES, engine
from compat.emulator.remote.client import RemoteServer

NOBODY = RemoteServer(url="http://127.0.0.1:1/v1")  # silence is not sent


@pytest.mark.parametrize("name", NAMES)
def test_every_engine_returns_no_text_for_silence(name: str) -> None:
    recogniser = engine(name, NOBODY)
    listener = recogniser.listen()

    assert list(recogniser.recognise([bytes(32_000)])) == []
    assert listener.feed(bytes(3_200)) is None
    assert listener.finish() == Hypothesis("")


def test_an_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"whisper.*moonshine, tones, scripted, openai"):
        engine("whisper")


def test_the_engine_openai_needs_an_address() -> None:
    with pytest.raises(Unusable, match="COMPAT_ENGINE_URL"):
        engine("openai")


def test_libraries_are_imported_at_the_first_recognition() -> None:
    script = """
import sys
import compat.emulator.engines as e
[e.engine(name, e.RemoteServer(url="http://127.0.0.1:1")) for name in e.NAMES]
print("numpy" in sys.modules)
"""

    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout.strip() == b"False"
