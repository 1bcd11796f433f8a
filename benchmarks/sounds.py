"""What is uploaded."""

from __future__ import annotations

import os
import wave
from io import BytesIO
from pathlib import Path

import av

from benchmarks.processes import FOLDER
from compat.emulator import sample

MIB = 1 << 20


def noise(size: int, rate: int = 16000, channels: int = 1) -> bytes:
    """A WAV file of so many bytes: noise, which is as good as speech to whoever does not listen."""
    return _wav(os.urandom((size - 44) // (2 * channels) * 2 * channels), rate, channels)


def speech(seconds: int, rate: int = 16000, channels: int = 1) -> bytes:
    """A WAV file of the sample's words, again and again."""
    resampler = av.AudioResampler("s16", {1: "mono", 2: "stereo"}[channels], rate)
    with av.open(str(sample.path())) as source:
        frames = [each for frame in source.decode(audio=0) for each in resampler.resample(frame)]
    pcm = b"".join(bytes(frame.planes[0])[: frame.samples * 2 * channels] for frame in frames)
    size = seconds * rate * 2 * channels
    return _wav((pcm * (size // len(pcm) + 1))[:size], rate, channels)


def silence(path: Path, size: int, rate: int = 48000, channels: int = 2) -> Path:
    """A WAV file of so many bytes that takes no room on the disk."""
    head = _wav(b"", rate, channels)[:4] + (size - 8).to_bytes(4, "little") + _wav(b"", rate, channels)[8:40]
    path.write_bytes(head + (size - 44).to_bytes(4, "little"))
    os.truncate(path, size)
    return path


def stored(name: str, content: bytes) -> Path:
    path = FOLDER / "sounds" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _wav(pcm: bytes, rate: int, channels: int) -> bytes:
    target = BytesIO()
    with wave.open(target, "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(pcm)
    return target.getvalue()
