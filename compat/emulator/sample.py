"""Locates a sample of English speech: the recording in the Moonshine package."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def path() -> Path:
    """44 s of Dickens read aloud, mono, 48 kHz WAV.

    Raises FileNotFoundError when the `local` extra is not installed.
    """
    found = importlib.util.find_spec("moonshine_voice")
    if found is None or found.origin is None:
        raise FileNotFoundError("the speech sample needs the local extra: pip install 'qwen-asr-compat[local]'")
    return Path(found.origin).parent / "assets" / "two_cities.wav"
