"""The emulator's ears by name, none of them loading anything before it listens."""

from __future__ import annotations

import subprocess
import sys

import pytest

from compat.emulator.engine import Hypothesis
from compat.emulator.engines import NAMES, engine


@pytest.mark.parametrize("name", NAMES)
def test_every_engine_hears_silence(name: str) -> None:
    ear = engine(name)
    listener = ear.listen()

    assert list(ear.recognise([bytes(32_000)])) == []
    assert listener.feed(bytes(3_200)) is None
    assert listener.finish() == Hypothesis("")


def test_an_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"whisper.*moonshine, tones, scripted"):
        engine("whisper")


def test_nothing_heavy_is_imported_before_an_engine_listens() -> None:
    script = "import sys, compat.emulator.engines as e; [e.engine(n) for n in e.NAMES]; print('numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout.strip() == b"False"
