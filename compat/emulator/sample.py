"""Locates a sample of English speech: the recording in the Moonshine package."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path


def path() -> Path:
    """Return the path of 44 s of Dickens read aloud, a mono WAV at 48 kHz.

    Raises FileNotFoundError when the `local` extra is not installed.
    """
    found = importlib.util.find_spec("moonshine_voice")
    if found is None or found.origin is None:
        command = f"{shlex.quote(sys.executable)} -m pip install 'qwen-asr-compat[local]'"
        raise FileNotFoundError(f"the speech sample needs the local extra: {command}")
    return Path(found.origin).parent / "assets" / "two_cities.wav"
